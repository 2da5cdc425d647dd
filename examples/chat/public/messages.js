// The message list: draws messages by number, own unsent ones after them, and keeps the reader's place.

import { byId, create, nameNode } from './dom.js'
import { clockTime, dayName, initialsOf, isEmojiOnly, isSameDay, segmentsOf, toneOf } from './format.js'

/** @typedef {import('./history.js').Message} Message */
/** @typedef {import('./outbox.js').Unsent} Unsent */

/** Messages of one person within this time stand together under one name. */
const GROUP_WITHIN_MS = 5 * 60_000
/** This close to the end counts as "at the end". */
const NEAR_END_PX = 80

export class MessageList {
  #log = byId('log')
  #list = byId('messages')
  #note = byId('log-note')
  #button = byId('new-messages')
  #buttonText = byId('new-messages-text')
  /** @type {Message | undefined} the message drawn last, for grouping */
  #previous
  /** @type {Map<string, HTMLElement>} own unsent messages, by nonce */
  #unsent = new Map()
  /** Arrived while the reader was further up. */
  #below = 0
  /** Whether the list follows its end. A layout change alone (a keyboard opening) must not decide that. */
  #following = true

  /** @param {() => void} onReadToEnd */
  constructor(onReadToEnd) {
    this.#log.addEventListener('scroll', () => {
      this.#following = this.#isAtEnd()
      if (!this.#following) return
      this.#showBelow(0)
      onReadToEnd()
    })
    this.#button.addEventListener('click', () => {
      this.toEnd()
      byId('composer-text').focus()
    })
    // The keyboard of a phone, a longer draft: the end stays in view if it was.
    new ResizeObserver(() => this.#following && this.toEnd()).observe(this.#log)
  }

  get isFollowing() {
    return this.#following
  }

  /**
   * Draws a whole room at once. A screen reader is not read the history.
   * @param {{ room: string, messages: Message[], truncated: boolean, readTo: number, you: string | undefined, unsent: Unsent[], isLoaded: boolean }} shown
   */
  showRoom({ room, messages, truncated, readTo, you, unsent, isLoaded }) {
    this.#log.setAttribute('aria-live', 'off')
    this.#log.setAttribute('aria-label', `Messages in #${room}`)
    this.#list.replaceChildren()
    this.#unsent.clear()
    this.#previous = undefined
    this.#showBelow(0)
    const firstUnread = readTo > 0 && messages.find(({ seq }) => seq > readTo)
    for (const message of messages) {
      if (message === firstUnread) this.#drawSeparator()
      this.#draw(message, you)
    }
    for (const item of unsent) this.addUnsent(item)
    this.#note.textContent = truncated ? 'Older messages have been forgotten.' : `This is the beginning of #${room}.`
    this.#note.hidden = !isLoaded
    const separator = this.#list.querySelector('.unread-separator')
    if (separator instanceof HTMLElement) this.#log.scrollTop = separator.offsetTop - this.#log.clientHeight / 3
    else this.toEnd()
    this.#following = this.#isAtEnd()
    setTimeout(() => this.#log.setAttribute('aria-live', 'polite'), 300)
  }

  /** @param {Message} message @param {string | undefined} you @param {boolean} unread */
  add(message, you, unread) {
    if (unread && !this.#list.querySelector('.unread-separator')) this.#drawSeparator()
    // The message takes the place of its unsent self, and one's own are always followed.
    const isOwn = message.nonce !== undefined && this.removeUnsent(message.nonce)
    this.#draw(message, you)
    if (this.#following || isOwn) this.toEnd()
    else this.#showBelow(this.#below + 1)
  }

  /** @param {Unsent} item */
  addUnsent(item) {
    const state = create('span', 'state', 'sending…')
    const body = create(
      'div',
      'body',
      create('p', 'meta', create('span', 'visually-hidden', 'You'), state),
      textNode(item.text),
    )
    const row = create('li', 'message own unsent', body)
    this.#unsent.set(item.nonce, row)
    this.#list.append(row)
    this.toEnd()
  }

  /** @param {string} nonce */
  removeUnsent(nonce) {
    const row = this.#unsent.get(nonce)
    row?.remove()
    return this.#unsent.delete(nonce)
  }

  /** What every unsent message says of itself. @param {string} state */
  markUnsent(state) {
    for (const row of this.#unsent.values()) {
      const element = row.querySelector('.state')
      if (element && element.textContent !== state) element.textContent = state
    }
  }

  clearSeparator() {
    this.#list.querySelector('.unread-separator')?.remove()
  }

  toEnd() {
    this.#following = true
    this.#log.scrollTop = this.#log.scrollHeight
    this.#showBelow(0)
  }

  /** @param {Message} message @param {string | undefined} you */
  #draw(message, you) {
    const { seq, at, person, name, text } = message
    const previous = this.#previous
    this.#previous = message
    if (!previous || !isSameDay(previous.at, at))
      this.#insert(create('li', 'day', create('span', '', dayName(at, Date.now()))))

    const time = create('time', '', clockTime(at))
    time.dateTime = new Date(at).toISOString()
    const isOwn = person === you
    const author = create('span', 'author', isOwn ? 'You' : nameNode(name))
    const isGrouped =
      previous?.person === person &&
      previous.name === name &&
      at - previous.at < GROUP_WITHIN_MS &&
      isSameDay(previous.at, at)

    const avatar = create('span', `avatar tone-${toneOf(name)}`, initialsOf(name))
    avatar.setAttribute('aria-hidden', 'true')
    const body = create('div', 'body', create('p', 'meta', author, ' ', time), textNode(text))
    const row = create('li', 'message', avatar, body)
    row.classList.toggle('own', isOwn)
    row.classList.toggle('grouped', isGrouped)
    row.dataset.seq = String(seq)
    this.#insert(row)
  }

  #drawSeparator() {
    this.#insert(create('li', 'unread-separator', create('span', '', 'New')))
    this.#previous = this.#previous && { ...this.#previous, person: '' }
  }

  /** Unsent messages stay last. @param {HTMLElement} row */
  #insert(row) {
    const [firstUnsent] = this.#unsent.values()
    this.#list.insertBefore(row, firstUnsent ?? null)
  }

  #isAtEnd() {
    return this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < NEAR_END_PX
  }

  /** @param {number} count */
  #showBelow(count) {
    this.#below = count
    this.#button.hidden = count === 0
    this.#buttonText.textContent = count === 1 ? '1 new message' : `${count} new messages`
  }
}

/** @param {string} text */
function textNode(text) {
  const paragraph = create('p', isEmojiOnly(text) ? 'text large' : 'text')
  paragraph.dir = 'auto'
  for (const segment of segmentsOf(text)) {
    if (segment.href === undefined) {
      paragraph.append(segment.text)
      continue
    }
    const link = create('a', '', segment.text)
    link.href = segment.href
    link.target = '_blank'
    link.rel = 'noopener noreferrer nofollow'
    paragraph.append(link)
  }
  return paragraph
}
