import type { ComponentChildren } from 'preact'

/** An experiment: what it is, its buttons, and what came of it. */
export function Experiment(props: {
  title: string
  about: string
  error: string
  buttons: ComponentChildren
  children?: ComponentChildren
}) {
  const { title, about, error, buttons, children } = props
  return (
    <section class="experiment">
      <h3>{title}</h3>
      <p class="about">{about}</p>
      <div class="row">{buttons}</div>
      <div class="outcome" role="status">
        {error ? <p class="bad">{error}</p> : children}
      </div>
    </section>
  )
}
