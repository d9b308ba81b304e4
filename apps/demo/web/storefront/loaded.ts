import { useEffect, useState } from 'preact/hooks'
import { type Answer, get } from '../shared/http.js'

/** Something asked for: what came last, whether more is coming, and what went wrong. */
export type Loaded<T> = { answer: Answer<T> | undefined; loading: boolean; error: Error | undefined; again: () => void }

/** Asks for a path when it changes. What was there stays until the new is, and counts as loading from the first moment. */
export function useLoaded<T>(path: string | undefined): Loaded<T> {
  const [round, setRound] = useState(0)
  const [state, setState] = useState<{ of?: string; answer?: Answer<T> | undefined; error?: Error }>({})
  const wanted = path && `${round} ${path}`
  useEffect(() => {
    if (path === undefined || wanted === undefined) return
    const cancel = new AbortController()
    get<T>(path, cancel.signal).then(
      (answer) => setState({ of: wanted, answer }),
      (error) => cancel.signal.aborted || setState({ of: wanted, error }),
    )
    return () => cancel.abort()
  }, [wanted])
  const loading = wanted !== undefined && wanted !== state.of
  return {
    answer: state.answer,
    error: loading ? undefined : state.error,
    loading,
    again: () => setRound((count) => count + 1),
  }
}
