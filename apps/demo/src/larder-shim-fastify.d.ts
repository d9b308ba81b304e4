import 'fastify'

declare module 'fastify' {
  interface FastifyInstance {
    cache: import('@larder/cache-aside').Cache
    tags: import('@larder/tags').Tags
  }
}
