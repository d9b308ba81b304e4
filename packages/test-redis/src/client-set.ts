import type { Cluster, Redis } from 'ioredis'

/** The clients that a server made for its test, so that they close with it. */
export class ClientSet<Client extends Redis | Cluster> {
  readonly #clients = new Set<Client>()

  /** Keeps a client, and gives it the `error` listener without which ioredis prints each error. */
  add(client: Client): Client {
    this.#clients.add(client)
    client.on('error', () => {})
    client.once('end', () => this.#clients.delete(client))
    return client
  }

  /** Closes all of them at once. */
  close(): void {
    for (const client of this.#clients) client.disconnect()
    this.#clients.clear()
  }
}
