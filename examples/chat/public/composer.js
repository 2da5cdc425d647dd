// Where a message is written. A draft is never lost: what is refused comes back here.

import { byId } from './dom.js'
import { countCharacters } from './format.js'

/** The server's limit (`LIMITS.messageLength`), known here so that nobody types a page in vain. */
const MESSAGE_LENGTH = 2_000
const SHOW_COUNTER_FROM = MESSAGE_LENGTH - 200
const TYPING_EVERY_MS = 2_000

export class Composer {
  #text = /** @type {HTMLTextAreaElement} */ (byId('composer-text'))
  #counter = byId('counter')
  #notice = byId('notice')
  #typingSentAt = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #noticeTimer

  /** @param {{ send: (text: string) => string | undefined, typing: () => void }} actions `send` returns why it cannot */
  constructor(actions) {
    const form = /** @type {HTMLFormElement} */ (byId('composer'))
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#submit(actions.send)
    })
    this.#text.addEventListener('keydown', (event) => {
      // While an input method composes a word, Enter belongs to it.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
      event.preventDefault()
      form.requestSubmit()
    })
    this.#text.addEventListener('input', () => {
      this.#fit()
      this.say('')
      if (this.#text.value.trim() === '' || Date.now() - this.#typingSentAt < TYPING_EVERY_MS) return
      this.#typingSentAt = Date.now()
      actions.typing()
    })
    this.#fit()
  }

  /** @param {string} room */
  showRoom(room) {
    byId('composer-label').textContent = `Message to #${room}`
  }

  focus() {
    this.#text.focus()
  }

  /** A sentence about what was refused, or nothing. @param {string} notice @param {number} [seconds] how long it holds */
  say(notice, seconds) {
    clearTimeout(this.#noticeTimer)
    if (this.#notice.textContent !== notice) this.#notice.textContent = notice
    if (seconds !== undefined) this.#noticeTimer = setTimeout(() => this.say(''), seconds * 1000)
  }

  /** Puts a refused text back, before whatever has been written since. @param {string} text */
  giveBack(text) {
    const { value } = this.#text
    this.#text.value = value === '' ? text : `${text}\n${value}`
    this.#fit()
  }

  /** @param {(text: string) => string | undefined} send */
  #submit(send) {
    const text = this.#text.value
    if (text.trim() === '') return
    const excess = countCharacters(text.trim()) - MESSAGE_LENGTH
    if (excess > 0) {
      this.say(`A message has at most ${MESSAGE_LENGTH} characters. Take out ${excess}, or send it in parts.`)
      return
    }
    const problem = send(text)
    this.say(problem ?? '')
    if (problem !== undefined) return
    this.#text.value = ''
    this.#typingSentAt = 0
    this.#fit()
  }

  /** As high as its text (composer.css says how high at most), and the counter when it matters. */
  #fit() {
    this.#text.style.height = 'auto'
    this.#text.style.height = `${this.#text.scrollHeight}px`
    const left = MESSAGE_LENGTH - countCharacters(this.#text.value)
    this.#counter.hidden = left > MESSAGE_LENGTH - SHOW_COUNTER_FROM
    // Empty while it is hidden, as the field's description is read all the same.
    this.#counter.textContent = this.#counter.hidden ? '' : left >= 0 ? `${left} left` : `${-left} too many`
    this.#counter.classList.toggle('over', left < 0)
    this.#text.setAttribute('aria-invalid', String(left < 0))
  }
}
