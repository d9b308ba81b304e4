/** How much the catalogue holds when it is new. */
export const AMOUNTS = { categories: 40, products: 5_000, orders: 2_000, users: 20 } as const

const SEED = 20_260_101
/** The catalogue's "today", so that its dates are the same in every run. */
const TODAY = '2026-01-01T00:00:00.000Z'

/** The rows that a new database is filled with. */
export type FakeData = {
  categories: { id: number; name: string }[]
  products: { categoryId: number; name: string; description: string; price: number; stock: number; createdAt: Date }[]
  orders: { userId: string; createdAt: Date; items: { productId: number; quantity: number }[] }[]
}

/** Makes the same data at every call. Loads faker only now: a start from a snapshot does without it. */
export async function makeFakeData(): Promise<FakeData> {
  const { faker } = await import('@faker-js/faker/locale/en')
  faker.seed(SEED)
  faker.setDefaultRefDate(TODAY)
  const names = faker.helpers.uniqueArray(
    () => `${faker.commerce.productAdjective()} ${faker.commerce.department()}`,
    AMOUNTS.categories,
  )
  const within = (days: number) => faker.date.recent({ days })
  return {
    categories: names.map((name, index) => ({ id: index + 1, name })),
    products: Array.from({ length: AMOUNTS.products }, () => ({
      categoryId: faker.number.int({ min: 1, max: AMOUNTS.categories }),
      name: faker.commerce.productName(),
      description: faker.commerce.productDescription(),
      price: Number(faker.commerce.price({ min: 1, max: 1_000, dec: 2 })),
      stock: faker.number.int({ min: 0, max: 500 }),
      createdAt: within(720),
    })),
    orders: Array.from({ length: AMOUNTS.orders }, () => ({
      userId: `user${faker.number.int({ min: 1, max: AMOUNTS.users })}@example.com`,
      createdAt: within(365),
      items: Array.from({ length: faker.number.int({ min: 1, max: 4 }) }, () => ({
        productId: faker.number.int({ min: 1, max: AMOUNTS.products }),
        quantity: faker.number.int({ min: 1, max: 3 }),
      })),
    })),
  }
}
