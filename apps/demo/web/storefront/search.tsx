import { useEffect, useRef, useState } from 'preact/hooks'
import { go, route } from './route.js'

const PAUSE = 250

/** Searches while one types. */
export function Search() {
  const current = route.value.view === 'list' ? (route.value.q ?? '') : ''
  const [text, setText] = useState(current)
  const timer = useRef<number | undefined>(undefined)
  useEffect(() => setText(current), [current])
  const search = (q: string) => {
    clearTimeout(timer.current)
    // One search is one step back, however long one typed.
    go({ view: 'list', page: 1, ...(q.trim() && { q: q.trim() }) }, { replace: current !== '' })
  }
  const type = (q: string) => {
    setText(q)
    clearTimeout(timer.current)
    timer.current = setTimeout(() => search(q), PAUSE)
  }
  return (
    <search class="search">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          search(text)
        }}
      >
        <label class="for-readers" for="search">
          Search the shop
        </label>
        <input
          id="search"
          type="search"
          placeholder="Search 5,000 products"
          autocomplete="off"
          maxLength={100}
          value={text}
          onInput={(event) => type(event.currentTarget.value)}
        />
      </form>
    </search>
  )
}
