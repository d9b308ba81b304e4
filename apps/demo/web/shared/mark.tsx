/** The shop's name, as it stands on both pages. */
export function Mark({ here }: { here: 'shop' | 'dashboard' }) {
  return (
    <div class="mark">
      <a href="/" class="mark-name" aria-current={here === 'shop' ? 'page' : undefined}>
        <svg viewBox="0 0 28 28" width="28" height="28" aria-hidden="true">
          <path d="M2 25.5h24M2 14.5h24" stroke="currentColor" stroke-width="2" />
          <path d="M5 13V6.5h6V13zM13 13V4h4v9zM6 24v-6.5h9V24zM18 24V18h5v6z" fill="currentColor" />
        </svg>
        Larder
      </a>
      <a href="/dashboard" class="mark-other" aria-current={here === 'dashboard' ? 'page' : undefined}>
        dashboard
      </a>
    </div>
  )
}
