/** Whether a string matches a pattern in which `*` stands for anything and `?` for one character. */
export function matcher(pattern: string): (text: string) => boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replace(/\?/g, '.')
  const expression = new RegExp(`^${source}$`, 'su')
  return (text) => expression.test(text)
}
