import { href, type ListRoute } from './route.js'

/** The way to the other pages of a list. */
export function Pages({ route, pages }: { route: ListRoute; pages: number }) {
  if (pages < 2) return null
  const { page } = route
  const near = [1, page - 1, page, page + 1, pages].filter((each) => each >= 1 && each <= pages)
  const shown = [...new Set(near)].sort((one, other) => one - other)
  const link = (to: number, text: string, label: string) => (
    <a href={href({ ...route, page: to })} aria-label={label} aria-current={to === page ? 'page' : undefined}>
      {text}
    </a>
  )
  return (
    <nav class="pages" aria-label="Pages">
      {page > 1 && link(page - 1, '← Back', 'The page before')}
      <ol>
        {shown.map((each, index) => (
          <li key={each}>
            {index > 0 && each - (shown[index - 1] ?? each) > 1 && <span aria-hidden="true">…</span>}
            {link(each, String(each), `Page ${each}`)}
          </li>
        ))}
      </ol>
      {page < pages && link(page + 1, 'Next →', 'The next page')}
    </nav>
  )
}
