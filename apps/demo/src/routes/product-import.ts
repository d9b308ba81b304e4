import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Catalogue } from '../catalogue.js'
import type { Database } from '../database.js'
import { problems } from '../problem.js'
import { type Check, ImportReport, ProductImport } from '../product-import.js'
import { describeMismatch } from '../validation.js'

/** A bulk change of the catalogue. */
export const productImportRoutes: FastifyPluginAsyncTypebox<{ catalogue: Catalogue; database: Database }> = async (
  app,
  { catalogue, database },
) => {
  // Whatever the body calls itself, it is read line by line and never as a whole.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, body, done) => done(null, body))

  app.post<{ Body: Readable | undefined }>(
    '/products/import',
    {
      onRequest: app.verifyBearerAuth!, // @fastify/bearer-auth is registered before
      schema: {
        tags: ['products'],
        summary: 'Add and change many products',
        description:
          'NDJSON, one product a line, of any length. A line with an `id` changes that product, one without adds a product. ' +
          'Bad lines are reported by their number, the others are taken; 400 when none could be.',
        security: [{ admin: [] }],
        body: { content: { 'application/x-ndjson': { schema: Type.Unknown({ description: 'A product a line' }) } } },
        response: { 200: ImportReport, ...problems },
      },
    },
    (request) => {
      const check: Check = (schema, value) => {
        const validate = request.compileValidationSchema(schema, 'body')
        if (validate(value)) return undefined
        const [mismatch] = validate.errors ?? []
        return mismatch === undefined ? 'is not valid' : describeMismatch(mismatch)
      }
      return new ProductImport(database, catalogue, check).run(request.body ?? Readable.from([]))
    },
  )
}
