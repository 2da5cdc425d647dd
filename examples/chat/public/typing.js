// The line that says who is typing. A hint, and treated as one: it fades when no new one comes.

import { byId } from './dom.js'
import { listOf } from './format.js'

const SHOWN_MS = 4_000

export class TypingLine {
  /** @type {Map<string, { name: string, timer: ReturnType<typeof setTimeout> }>} by person */
  #typists = new Map()

  /** @param {import('./sidebar.js').Person} from */
  add({ person, name }) {
    clearTimeout(this.#typists.get(person)?.timer)
    this.#typists.set(person, { name, timer: setTimeout(() => this.remove(person), SHOWN_MS) })
    this.#draw()
  }

  /** @param {string} person */
  remove(person) {
    clearTimeout(this.#typists.get(person)?.timer)
    if (this.#typists.delete(person)) this.#draw()
  }

  clear() {
    for (const person of [...this.#typists.keys()]) this.remove(person)
  }

  #draw() {
    const names = [...this.#typists.values()].map(({ name }) => name)
    const are = names.length === 1 ? 'is' : 'are'
    byId('typing').textContent = names.length === 0 ? '' : `${listOf(names)} ${are} typing…`
  }
}
