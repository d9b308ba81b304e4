import { signal } from '@preact/signals'

type Theme = 'light' | 'dark'

const preferred = matchMedia('(prefers-color-scheme: dark)')
const chosen = signal(document.documentElement.dataset.theme as Theme | undefined)
const system = signal<Theme>(preferred.matches ? 'dark' : 'light')
preferred.addEventListener('change', () => {
  system.value = preferred.matches ? 'dark' : 'light'
})

/** Whether the page is light or dark: as chosen here, else as the system wants it. */
export function theme(): Theme {
  return chosen.value ?? system.value
}

/** Turns the light on or off. */
export function ThemeButton() {
  const next = theme() === 'dark' ? 'light' : 'dark'
  const turn = () => {
    chosen.value = next
    document.documentElement.dataset.theme = next
    localStorage.setItem('theme', next)
  }
  return (
    <button
      type="button"
      class="quiet icon"
      onClick={turn}
      aria-label={`Use ${next} colours`}
      title={`Use ${next} colours`}
    >
      <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
        <path d="M10 2.5a7.5 7.5 0 0 1 0 15z" fill="currentColor" />
        <circle cx="10" cy="10" r="7.5" fill="none" stroke="currentColor" stroke-width="1.5" />
      </svg>
    </button>
  )
}
