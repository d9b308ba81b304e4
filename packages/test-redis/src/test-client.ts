/** What a subtest of tap is given: it ends what the test began, the last first. */
export interface T {
  teardown(end: () => unknown): void
}

/** A client of a server or of a Cluster that ends with the test, after the application that was given it. */
export function client<Client extends { disconnect(): void }, Options>(
  t: T,
  server: { client(options?: Options): Client },
  options?: Options,
): Client {
  const redis = server.client(options)
  t.teardown(() => redis.disconnect())
  return redis
}

/** The code of the error that a call rejects with; `undefined` when it does not. */
export async function codeOf(call: PromiseLike<unknown>): Promise<string | undefined> {
  try {
    await call
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}
