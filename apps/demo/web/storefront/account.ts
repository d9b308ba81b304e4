import { signal } from '@preact/signals'
import { ask, get, Refusal } from '../shared/http.js'
import type { Cart } from './types.js'

/** Who is logged in; `undefined` for strangers. */
export const user = signal<string | undefined>(undefined)
/** What the user is about to buy. */
export const cart = signal<Cart>({ items: [], total: 0 })
/** Whether the log-in dialog is open, and what for. */
export const asking = signal<{ reason?: string; next?: () => unknown } | undefined>(undefined)
/** The last thing that happened, for all to read and for screen readers to say. */
export const notice = signal<{ text: string; bad: boolean } | undefined>(undefined)

/** Whether somebody logged in with this browser: a stranger's is not asked. */
const KNOWN = 'known'

/** Finds out who is logged in. */
export async function recognize(): Promise<void> {
  user.value = localStorage.getItem(KNOWN) === null ? undefined : await whoAmI()
  await refreshCart()
}

async function whoAmI(): Promise<string | undefined> {
  try {
    return (await get<{ email: string }>('/session')).value.email
  } catch (error) {
    if (!(error instanceof Refusal) || error.status >= 500) tell('The shop cannot say who you are just now', true)
    else localStorage.removeItem(KNOWN)
    return undefined
  }
}

/** Logs in. Throws a {@link Refusal} for a wrong password. */
export async function logIn(email: string, password: string): Promise<void> {
  await ask('POST', '/session', { body: { email, password } })
  localStorage.setItem(KNOWN, 'yes')
  await recognize()
  tell(`Welcome, ${email}`)
}

/** Logs out here. */
export async function logOut(): Promise<void> {
  await ask('DELETE', '/session')
  forget()
  tell('You are logged out')
}

/** Whoever was logged in is a stranger now. */
export function forget(): void {
  localStorage.removeItem(KNOWN)
  user.value = undefined
  cart.value = { items: [], total: 0 }
}

/** Reads the cart; that of a stranger is empty. */
export async function refreshCart(): Promise<void> {
  try {
    cart.value = user.value === undefined ? { items: [], total: 0 } : (await get<Cart>('/cart')).value
  } catch (error) {
    explain(error)
  }
}

/** Puts so many of a product into the cart; asks strangers to log in first. */
export async function put(productId: number, quantity: number, name: string): Promise<void> {
  if (user.value === undefined) {
    asking.value = { reason: 'Log in, and it is in your cart.', next: () => put(productId, quantity, name) }
    return
  }
  try {
    cart.value = (await ask<Cart>('PUT', `/cart/${productId}`, { body: { quantity } })).value
    tell(quantity === 0 ? `${name} is out of your cart` : `${name}: ${quantity} in your cart`)
  } catch (error) {
    explain(error)
  }
}

/** How many of a product are in the cart. */
export function inCart(productId: number): number {
  return cart.value.items.find((item) => item.productId === productId)?.quantity ?? 0
}

/** Tells what happened. */
export function tell(text: string, bad = false): void {
  notice.value = { text, bad }
}

/** Tells what went wrong. Whose session has ended is a stranger. */
export function explain(error: unknown): void {
  if (error instanceof Refusal && error.status === 401 && user.value !== undefined) {
    forget()
    tell('You were logged out', true)
  } else tell(error instanceof Refusal ? error.message : 'The shop does not answer', true)
}
