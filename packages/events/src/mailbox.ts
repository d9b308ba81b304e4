import type { Parcel } from './parcel.js'

/** A message that waits to be read. */
export interface Mail {
  readonly parcel: Parcel
  /** Before it, messages may be missing. */
  gap: boolean
}

/** What a subscriber that is slower than its topic may let wait. */
export interface MailboxLimits {
  readonly messages: number
  readonly bytes: number
}

/** Messages that wait for one subscriber. When there is no room for a new one the oldest go, and the next one read tells of the gap. */
export class Mailbox {
  readonly #limits: MailboxLimits
  #mails: Mail[] = []
  #head = 0
  #bytes = 0
  #gap = false
  #wake: (() => void) | undefined
  #closed = false

  constructor(limits: MailboxLimits) {
    this.#limits = limits
  }

  /** Puts a message in; whether older ones had to go for it. */
  put(parcel: Parcel, gap: boolean): boolean {
    if (this.#closed) return false
    this.#mails.push({ parcel, gap: gap || this.#gap })
    this.#gap = false
    this.#bytes += parcel.size
    let dropped = false
    while (this.#waiting() > this.#limits.messages || (this.#bytes > this.#limits.bytes && this.#waiting() > 1)) {
      this.#shift()
      dropped = true
    }
    if (dropped) (this.#mails[this.#head] as Mail).gap = true
    this.#notify()
    return dropped
  }

  /** Something is missing before the next message. */
  missed(): void {
    this.#gap = true
  }

  /** The next message, as soon as there is one; `undefined` at the end. One asks at a time. */
  async take(): Promise<Mail | undefined> {
    while (this.#waiting() === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#closed ? undefined : this.#shift()
  }

  /** Ends it, and drops what waits. */
  close(): void {
    this.#closed = true
    this.#mails = []
    this.#head = 0
    this.#notify()
  }

  #waiting(): number {
    return this.#mails.length - this.#head
  }

  #shift(): Mail {
    const mail = this.#mails[this.#head] as Mail
    this.#mails[this.#head++] = undefined as never
    this.#bytes -= mail.parcel.size
    if (this.#head === this.#mails.length || this.#head > 1_024) {
      this.#mails = this.#mails.slice(this.#head)
      this.#head = 0
    }
    return mail
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}
