import { Ajv, type Options } from 'ajv'
import formats from 'ajv-formats'
import type { FastifySchemaCompiler } from 'fastify'

const COMMON: Options = { useDefaults: true, removeAdditional: true, multipleOfPrecision: 6 }

type Mismatch = { instancePath: string; params: Record<string, unknown>; message?: string }

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

/**
 * What is wrong, with the field named.
 *
 * @param where - the part of the request, or nothing
 * @example
 * describeMismatch(error, 'querystring') // querystring/sort must be one of id, name
 */
export function describeMismatch({ instancePath, params, message }: Mismatch, where = ''): string {
  const { allowedValues } = params
  const rule = Array.isArray(allowedValues) ? `must be one of ${allowedValues.join(', ')}` : (message ?? 'is not valid')
  const field = where === '' ? instancePath.slice(1) : where + instancePath
  return `${field} ${rule}`.trim()
}
