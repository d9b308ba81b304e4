import type { Product } from './types.js'

const SHAPES = {
  jar: 'M18 22h44v6c6 3 8 8 8 14v46c0 5-3 8-8 8H18c-5 0-8-3-8-8V42c0-6 2-11 8-14z',
  tin: 'M12 26c0-3 12-6 28-6s28 3 28 6v64c0 3-12 6-28 6s-28-3-28-6z',
  bottle: 'M33 6h14v24c0 6 14 10 14 24v36c0 4-2 6-6 6H25c-4 0-6-2-6-6V54c0-14 14-18 14-24z',
  box: 'M12 22h56v74H12z',
  sack: 'M24 20c6 4 26 4 32 0 2 6-2 10 4 18 8 10 12 22 12 40 0 12-4 18-12 18H20C12 96 8 90 8 78c0-18 4-30 12-40 6-8 2-12 4-18z',
  crock: 'M14 34h52c4 10 6 20 6 32 0 18-6 30-12 30H20C14 96 8 84 8 66c0-12 2-22 6-32z',
} as const
type Shape = keyof typeof SHAPES
const NAMES = Object.keys(SHAPES) as Shape[]

/** What is on top of the vessel. */
const LIDS: Record<Shape, string> = {
  jar: 'M16 12h48v9H16z',
  tin: 'M10 20c0-4 13-7 30-7s30 3 30 7v5H10z',
  bottle: 'M32 0h16v8H32z',
  box: 'M10 16h60v8H10z',
  sack: 'M22 14h36v6H22z',
  crock: 'M12 26h56v8H12zM34 18h12v7H34z',
}
/** Where the label is, and how wide: none reaches over its vessel's edge. */
const LABELS: Record<Shape, number> = { jar: 48, tin: 52, bottle: 40, box: 50, sack: 50, crock: 52 }
const TOP = 26
const BOTTOM = 96
/** A vessel with so many in it is full. */
const FULL = 500

/** The outlines that vessels share; once on a page. */
export function JarShapes() {
  return (
    <svg width="0" height="0" class="shapes" aria-hidden="true">
      <defs>
        {NAMES.map((name) => (
          <clipPath id={`shape-${name}`} key={name}>
            <path d={SHAPES[name]} />
          </clipPath>
        ))}
      </defs>
    </svg>
  )
}

/** A product in its vessel: shape and colour are its category's, and it is as full as the shop's stock of it. */
export function Jar({ product }: { product: Pick<Product, 'categoryId' | 'name' | 'stock'> }) {
  const shape = NAMES[product.categoryId % NAMES.length] ?? 'jar'
  const level = BOTTOM - (BOTTOM - TOP) * Math.min(1, product.stock / FULL)
  const word = product.name.split(' ').at(-1) ?? ''
  const width = LABELS[shape]
  const squeezed =
    word.length * 6 > width - 4 ? { textLength: width - 6, lengthAdjust: 'spacingAndGlyphs' as const } : {}
  return (
    <svg viewBox="0 0 80 97" class="jar" style={{ '--hue': (product.categoryId * 67) % 360 }} aria-hidden="true">
      <g clip-path={`url(#shape-${shape})`}>
        <rect width="80" height="97" class="jar-glass" />
        <rect y={level} width="80" height="97" class="jar-content" />
      </g>
      <path d={SHAPES[shape]} class="jar-edge" />
      <path d={LIDS[shape]} class="jar-lid" />
      <rect x={40 - width / 2} y="56" width={width} height="20" rx="1" class="jar-label" />
      <text x="40" y="69.6" class="jar-word" text-anchor="middle" {...squeezed}>
        {word.toUpperCase()}
      </text>
    </svg>
  )
}
