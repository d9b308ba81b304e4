import { useEffect, useRef, useState } from 'preact/hooks'
import { Refusal } from '../shared/http.js'
import { asking, logIn } from './account.js'

/** Asks who one is. The shop's users are made up, and the dialog says so. */
export function LogIn() {
  const dialog = useRef<HTMLDialogElement>(null)
  const [error, setError] = useState('')
  const open = asking.value !== undefined
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal()
    if (!open) dialog.current?.close()
  }, [open])
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget as HTMLFormElement)
    try {
      await logIn(String(fields.get('email')), String(fields.get('password')))
      const next = asking.value?.next
      asking.value = undefined
      setError('')
      await next?.()
    } catch (thrown) {
      setError(thrown instanceof Refusal ? thrown.message : 'The shop does not answer')
    }
  }
  return (
    <dialog ref={dialog} class="log-in" aria-labelledby="log-in-title" onClose={() => (asking.value = undefined)}>
      <form onSubmit={submit}>
        <h2 id="log-in-title">Log in</h2>
        <p>
          {asking.value?.reason ?? 'The people of this shop are made up: user1 to user20, and all have one password.'}
        </p>
        <label>
          <span>Email</span>
          <input name="email" type="email" required autocomplete="username" defaultValue="user1@example.com" />
        </label>
        <label>
          <span>Password</span>
          <input name="password" type="password" required autocomplete="current-password" defaultValue="larder" />
        </label>
        {error && (
          <p class="bad" role="alert">
            {error}
          </p>
        )}
        <p class="row">
          <button type="submit" class="main">
            Log in
          </button>
          <button type="button" onClick={() => (asking.value = undefined)}>
            Not now
          </button>
        </p>
      </form>
    </dialog>
  )
}
