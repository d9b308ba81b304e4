/** Where handlers stop until the test lets them go on. */
export class Gates {
  readonly #arrived = new Map<string, { done: Promise<void>; tell: () => void }>()
  readonly #opened = new Map<string, { done: Promise<void>; tell: () => void }>()

  /** For a handler: says that it is there, and waits. */
  async pass(name: string): Promise<void> {
    part(this.#arrived, name).tell()
    await part(this.#opened, name).done
  }

  /** Resolves when a handler stands there. */
  arrived(name: string): Promise<void> {
    return part(this.#arrived, name).done
  }

  open(name: string): void {
    part(this.#opened, name).tell()
  }
}

function part(map: Map<string, { done: Promise<void>; tell: () => void }>, name: string) {
  const known = map.get(name)
  if (known) return known
  let tell = () => {}
  const done = new Promise<void>((resolve) => {
    tell = resolve
  })
  const made = { done, tell }
  map.set(name, made)
  return made
}
