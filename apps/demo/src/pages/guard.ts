import createError from '@fastify/error'
import type { FastifyRequest } from 'fastify'

/** 403: experiments are run by who sits at the machine. */
export const NotHereError = createError(
  'SHOP_EXPERIMENT_REFUSED',
  'Experiments are run only from a page of the shop, opened on its own machine (127.0.0.1)',
  403,
)

const LOOPBACK_ADDRESS = /^(127\.|::1$|::ffff:127\.)/
const LOOPBACK_NAME = /^(localhost|127(\.\d+){3}|\[::1\])$/

/**
 * Refuses who is not on this machine, and pages of other sites that use a browser on it: by where the request comes from, by the name
 * that it was sent to (a foreign name that resolves to this machine), and by the page that sent it.
 *
 * @throws NotHereError
 */
export async function onlyFromHere({ ip, host, headers }: FastifyRequest): Promise<void> {
  const own = host.replace(/:\d+$/, '')
  const { origin } = headers
  const site = headers['sec-fetch-site']
  const foreign =
    (origin !== undefined && origin !== `http://${host}`) || (site !== undefined && site !== 'same-origin')
  if (!LOOPBACK_ADDRESS.test(ip) || !LOOPBACK_NAME.test(own) || foreign) throw new NotHereError()
}
