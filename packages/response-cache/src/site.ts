import type { FastifyRequest } from 'fastify'

/** The origins that requests are sent to: few, and mostly the same as before. */
export class Sites {
  #protocol = ''
  #host = ''
  #port: number | undefined
  #site = ''

  /**
   * The origin that a request was sent to. A port that is this process's own is called so: processes that are reached by their ports
   * share what they keep, and no other port that somebody names is mixed up with it.
   */
  of(request: FastifyRequest): string {
    const { host, protocol } = request
    const { localPort } = request.socket
    if (host === this.#host && protocol === this.#protocol && localPort === this.#port) return this.#site
    this.#host = host
    this.#protocol = protocol
    this.#port = localPort
    const own = localPort !== undefined && host.endsWith(`:${localPort}`)
    this.#site = own ? `${protocol}://${host.slice(0, host.lastIndexOf(':'))}:own` : `${protocol}://${host}`
    return this.#site
  }
}
