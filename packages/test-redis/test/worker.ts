import { serveWorker } from '@larder/test-redis'

const methods = {
  add: (a: number, b: number) => a + b,
  env: (name: string) => process.env[name],
  echo: (value: unknown) => value,
  fail: (code: string) => {
    throw Object.assign(new TypeError('no luck', { cause: new Error('why') }), { code })
  },
  hang: () => new Promise<never>(() => {}),
  tell: (value: unknown) => service.notify('told', value),
  reject: () => {
    Promise.reject(new RangeError('left alone'))
  },
  exit: (code: number) => process.exit(code),
}

/** What the test calls. */
export type Methods = typeof methods

const service = serveWorker(methods, { onStop: () => service.notify('stopping') })
