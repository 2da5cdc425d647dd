// Asks for a name: at the first visit, when it is refused, and when somebody wants another one.

import { byId } from './dom.js'

const STORED_NAME = 'troupe-chat.name'

export class NameDialog {
  #dialog = /** @type {HTMLDialogElement} */ (byId('name-dialog'))
  #input = /** @type {HTMLInputElement} */ (byId('name-input'))
  #error = byId('name-error')
  #cancel = byId('name-cancel')

  /** @param {(name: string) => void} onName */
  constructor(onName) {
    byId('name-form').addEventListener('submit', (event) => {
      event.preventDefault()
      const name = this.#input.value.trim()
      if (name === '') return this.#complain('Choose a name, so that the others know who speaks.')
      this.#dialog.close()
      localStorage.setItem(STORED_NAME, name)
      onName(name)
    })
    this.#input.addEventListener('input', () => this.#complain(''))
    this.#cancel.addEventListener('click', () => this.#dialog.close())
    // Without a name there is nothing to go back to.
    this.#dialog.addEventListener('cancel', (event) => {
      if (this.#cancel.hidden) event.preventDefault()
    })
    byId('change-name').addEventListener('click', () => this.ask({ canCancel: true }))
  }

  get stored() {
    return localStorage.getItem(STORED_NAME) ?? ''
  }

  /** @param {{ problem?: string, canCancel?: boolean }} [options] */
  ask({ problem = '', canCancel = false } = {}) {
    this.#input.value = this.stored
    this.#cancel.hidden = !canCancel
    if (!this.#dialog.open) this.#dialog.showModal()
    this.#complain(problem)
    this.#input.select()
  }

  /** @param {string} problem */
  #complain(problem) {
    if (this.#error.textContent === problem) return
    this.#error.textContent = problem
    this.#input.setAttribute('aria-invalid', String(problem !== ''))
    if (problem) this.#input.focus()
  }
}
