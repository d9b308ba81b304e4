import { useState } from 'preact/hooks'
import { Badge } from '../shared/badge.js'
import { price } from '../shared/format.js'
import { type Answer, get } from '../shared/http.js'
import { Experiment } from './experiment.js'
import { useRun } from './run.js'

type Product = { id: number; name: string; price: number; categoryId: number }
type List = { items: Product[] }
type Row = { name: string; answer: Answer<unknown>; price: number | undefined }

const ID = 42

/** A product changes, and every page that shows it is new; those that do not show it stay. */
export function Renewal() {
  const change = useRun<Product>('price')
  const [before, setBefore] = useState<Row[]>([])
  const [after, setAfter] = useState<Row[]>([])
  const run = async () => {
    await look() // so that all are cached
    setBefore(await look())
    setAfter([])
    if (await change.run({ productId: ID })) setAfter(await look())
  }
  return (
    <Experiment
      title="Update a product"
      about={`The price of product ${ID} changes a little: its own page is written through, lists are found by their tags.`}
      error={change.error}
      buttons={
        <button type="button" class="main" disabled={change.busy} onClick={run}>
          Change the price
        </button>
      }
    >
      {before.length > 0 && (
        <table class="renewal">
          <thead>
            <tr>
              <th scope="col">Page</th>
              <th scope="col">Before</th>
              <th scope="col">After</th>
            </tr>
          </thead>
          <tbody>
            {before.map((row, index) => (
              <tr key={row.name}>
                <th scope="row">{row.name}</th>
                <Cell row={row} />
                <Cell row={after[index]} />
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Experiment>
  )
}

function Cell({ row }: { row: Row | undefined }) {
  return (
    <td>
      {row && (
        <>
          <span class="figure">{row.price === undefined ? 'not on it' : price(row.price)}</span>{' '}
          <Badge receipt={row.answer.receipt} />
        </>
      )}
    </td>
  )
}

async function look(): Promise<Row[]> {
  const product = await get<Product>(`/products/${ID}`)
  const { categoryId, name } = product.value
  const other = (categoryId % 40) + 1
  const lists: [string, string][] = [
    ['Its category', `/products?category=${categoryId}&pageSize=100`],
    ['Search for its name', `/products?q=${encodeURIComponent(name)}`],
    ['Another category', `/products?category=${other}&pageSize=100`],
  ]
  const rows: Row[] = [{ name: 'The product', answer: product, price: product.value.price }]
  for (const [title, path] of lists) {
    const answer = await get<List>(path)
    rows.push({ name: title, answer, price: answer.value.items.find(({ id }) => id === ID)?.price })
  }
  return rows
}
