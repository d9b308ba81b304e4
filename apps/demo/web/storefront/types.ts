/** What the shop's API answers. */
export type Product = {
  id: number
  categoryId: number
  name: string
  description: string
  price: number
  stock: number
  createdAt: string
  updatedAt: string
}
export type ProductPage = { items: Product[]; page: number; pageSize: number; total: number; pages: number }
export type Category = { id: number; name: string; products: number }
export type Cart = {
  items: { productId: number; name: string; price: number; quantity: number; subtotal: number }[]
  total: number
}
export type Order = {
  id: number
  items: { productId: number | null; price: number; quantity: number; subtotal: number }[]
  total: number
  createdAt: string
}
export type Standing = { member: string; score: number; rank: number }
export type Device = {
  id: string
  createdAt: string | number
  lastSeenAt: string | number
  ip?: string | null
  userAgent?: string | null
  current: boolean
}
