import { Ajv, type Options } from 'ajv'
import formats from 'ajv-formats'
import type { FastifySchemaCompiler } from 'fastify'

const COMMON: Options = { useDefaults: true, removeAdditional: true, multipleOfPrecision: 6 }

/**
 * Checks requests. The parts of a URL and the headers are text, so numbers are read from it; a JSON body says itself what is a
 * number: `"5"` and `null` are none there, as they would be by Fastify's default.
 */
export function makeValidatorCompiler(): FastifySchemaCompiler<object> {
  const text = new Ajv({ ...COMMON, coerceTypes: 'array' })
  const json = new Ajv(COMMON)
  formats.default(text)
  formats.default(json)
  return ({ schema, httpPart }) => (httpPart === 'body' ? json : text).compile(schema)
}
