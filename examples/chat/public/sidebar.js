// Rooms and people: a column beside the messages, and on a narrow screen a drawer over them.

import { byId, create, focusIn, nameNode } from './dom.js'
import { initialsOf, listOf, toneOf } from './format.js'

/** @typedef {{ person: string, name: string }} Person */
/** @typedef {{ room: string, people: number, last: number }} RoomSummary */

const narrow = matchMedia('(max-width: 760px)')

export class Sidebar {
  #sidebar = byId('sidebar')
  #backdrop = byId('backdrop')
  #openButton = byId('open-sidebar')
  #isOpen = false
  #drawnRooms = ''

  /** @param {{ openRoom: (name: string) => string | undefined, wave: (person: Person) => void }} actions */
  constructor(actions) {
    this.actions = actions
    this.#openButton.addEventListener('click', () => this.#setOpen(true))
    byId('close-sidebar').addEventListener('click', () => this.#setOpen(false))
    this.#backdrop.addEventListener('click', () => this.#setOpen(false))
    this.#sidebar.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.#isOpen) this.#setOpen(false)
    })
    byId('rooms').addEventListener('click', (event) => {
      if (event.target instanceof Element && event.target.closest('a')) this.close()
    })
    narrow.addEventListener('change', () => this.#setOpen(false))
    this.#setOpen(false)
    this.#listenToNewRoom()
  }

  close() {
    if (this.#isOpen) this.#setOpen(false)
  }

  /** @param {RoomSummary[]} rooms @param {string} current @param {(room: RoomSummary) => boolean} isUnread */
  showRooms(rooms, current, isUnread) {
    const listed = rooms.some(({ room }) => room === current)
      ? rooms
      : [...rooms, { room: current, people: 0, last: 0 }]
    const drawn = JSON.stringify([current, listed.map((summary) => ({ ...summary, last: isUnread(summary) }))])
    // The list is announced often and changes seldom; who is reading it should not lose the place.
    if (drawn === this.#drawnRooms) return
    this.#drawnRooms = drawn
    const focused = document.activeElement?.getAttribute('href')
    const rows = listed.map((summary) => {
      const { room, people } = summary
      const link = create('a', 'room', create('span', 'hash', '#'), create('span', 'room-label', room))
      link.href = `#${room}`
      if (room === current) link.setAttribute('aria-current', 'page')
      const unread = room !== current && isUnread(summary)
      if (unread) link.append(create('span', 'unread-dot', create('span', 'visually-hidden', 'new messages')))
      if (people > 0) {
        const count = create('span', 'count', String(people))
        count.append(create('span', 'visually-hidden', people === 1 ? ' person' : ' people'))
        link.append(count)
      }
      return create('li', '', link)
    })
    byId('rooms').replaceChildren(...rows)
    if (focused?.startsWith('#')) focusIn(byId('rooms'), `a[href="${CSS.escape(focused)}"]`)
    byId('menu-dot').hidden = !listed.some((summary) => summary.room !== current && isUnread(summary))
  }

  /** @param {Person[]} people @param {Person} you */
  showPeople(people, you) {
    const others = people.filter(({ person }) => person !== you.person)
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.person : undefined
    const rows = [you, ...others].map((one) => this.#personRow(one, one.person === you.person))
    byId('people').replaceChildren(...rows)
    if (focused) focusIn(byId('people'), `[data-person="${CSS.escape(focused)}"]`)
    byId('head-people').textContent =
      others.length === 0 ? 'Nobody else is here' : `With ${listOf(others.map(({ name }) => name))}`
  }

  /** @param {string} name */
  showYou(name) {
    byId('your-name').textContent = name
    byId('your-avatar').textContent = initialsOf(name)
    byId('your-avatar').className = `avatar tone-${toneOf(name)}`
    byId('you').hidden = name === ''
  }

  /** @param {Person} one @param {boolean} isYou */
  #personRow(one, isYou) {
    const avatar = create('span', `avatar tone-${toneOf(one.name)}`, initialsOf(one.name))
    avatar.setAttribute('aria-hidden', 'true')
    const row = create('li', 'person', avatar, create('span', 'person-name', nameNode(one.name)))
    if (isYou) {
      row.append(create('span', 'tag', 'you'))
      return row
    }
    const button = create('button', 'text-button wave', 'Wave')
    button.type = 'button'
    button.dataset.person = one.person
    button.append(create('span', 'visually-hidden', ` at ${one.name}`))
    button.addEventListener('click', () => this.actions.wave(one))
    row.append(button)
    return row
  }

  #listenToNewRoom() {
    const form = byId('new-room')
    const input = /** @type {HTMLInputElement} */ (byId('new-room-name'))
    const error = byId('new-room-error')
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      const problem = this.actions.openRoom(input.value)
      error.textContent = problem ?? ''
      input.setAttribute('aria-invalid', String(problem !== undefined))
      if (problem !== undefined) return input.focus()
      input.value = ''
      this.close()
    })
    input.addEventListener('input', () => {
      error.textContent = ''
      input.removeAttribute('aria-invalid')
    })
  }

  /** While the drawer is out, the page behind it can be neither reached nor read; while it is in, it cannot itself. */
  /** @param {boolean} open */
  #setOpen(open) {
    const wasOpen = this.#isOpen
    this.#isOpen = open && narrow.matches
    this.#sidebar.classList.toggle('open', this.#isOpen)
    this.#sidebar.inert = narrow.matches && !this.#isOpen
    byId('stage').inert = this.#isOpen
    this.#backdrop.hidden = !this.#isOpen
    this.#openButton.setAttribute('aria-expanded', String(this.#isOpen))
    if (this.#isOpen) byId('close-sidebar').focus()
    else if (wasOpen) this.#openButton.focus()
  }
}
