/** Who looked at which product. */
export type Visit = {
  productId: number
  /** Tells visitors apart: a user, else where the request came from. */
  visitor: string
  /** Whose history it goes into; nobody's when undefined. */
  user: string | undefined
}

/** How many products a history goes back. */
export const HISTORY = 20
/** Seconds that a history, or a product's visitors, are kept without a further visit. */
export const KEPT = 30 * 24 * 60 * 60

/** What visitors looked at: each user's last products, each product's unique visitors. */
export interface Visits {
  /** Notes a visit. Never rejects: what is lost when Redis is away is not worth a failed page. */
  record(visit: Visit): Promise<void>
  /** The user's last products, newest first, each once. */
  recent(user: string): Promise<number[]>
  /** How many different visitors a product had; Redis counts with an error of 0.81 %. */
  visitors(productId: number): Promise<number>
}
