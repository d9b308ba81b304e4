import { useState } from 'preact/hooks'
import { ask, Refusal } from '../shared/http.js'

/** An experiment's button: whether it runs, what it found, and what went wrong. */
export type Run<T> = {
  busy: boolean
  result: T | undefined
  error: string
  run: (body?: unknown) => Promise<T | undefined>
}

/** Runs an experiment of the shop's. */
export function useRun<T>(name: string): Run<T> {
  const [busy, setBusy] = useState(false)
  const [result, setResult] = useState<T | undefined>(undefined)
  const [error, setError] = useState('')
  const run = async (body?: unknown) => {
    setBusy(true)
    setError('')
    try {
      const { value } = await ask<T>('POST', `/dashboard/experiments/${name}`, body === undefined ? {} : { body })
      setResult(value)
      return value
    } catch (thrown) {
      setError(thrown instanceof Refusal ? thrown.message : 'The shop does not answer')
      return undefined
    } finally {
      setBusy(false)
    }
  }
  return { busy, result, error, run }
}
