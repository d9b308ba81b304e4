import type { StandardSchema } from '@larder/core'
import { InvalidPayloadError } from './errors.js'
import { messageOf } from './parcel.js'

/**
 * A payload as it is sent: JSON. The schema is asked whether it is one, and what it would make of it is not sent: whoever reads asks
 * again, and a transformation would be made twice.
 *
 * @throws `LARDER_EVENTS_INVALID_PAYLOAD`
 */
export function writePayload(
  name: string,
  payload: unknown,
  { schema, limit }: { schema: StandardSchema | undefined; limit: number },
): string | Promise<string> {
  return schema ? checked(name, payload, { schema, limit }) : bounded(name, payload, limit)
}

async function checked(
  name: string,
  payload: unknown,
  { schema, limit }: { schema: StandardSchema; limit: number },
): Promise<string> {
  const { issues } = await schema['~standard'].validate(payload)
  if (issues) throw new InvalidPayloadError(name, issues.map(({ message }) => message).join('; '))
  return bounded(name, payload, limit)
}

function bounded(name: string, payload: unknown, limit: number): string {
  const text = stringify(name, payload)
  if (text.length > limit) throw new InvalidPayloadError(name, `it is ${text.length} long, and ${limit} is the limit`)
  return text
}

function stringify(name: string, payload: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(payload)
  } catch (error) {
    throw new InvalidPayloadError(name, messageOf(error), { cause: error })
  }
  if (text === undefined) throw new InvalidPayloadError(name, `JSON has no word for a ${typeof payload}`)
  return text
}
