// This tab: who it is, what it keeps through a reload, and which room its address names.

const FIRST_ROOM = 'lobby'
const ROOM = /^[a-z0-9][a-z0-9_-]{0,31}$/

/** Stays the same when the tab reloads or reconnects; another tab is another person. */
export const client = sessionValue('troupe-chat.client') ?? keep('troupe-chat.client', randomId())

/** @returns {import('./outbox.js').Unsent[]} */
export function storedOutbox() {
  return JSON.parse(sessionValue('troupe-chat.outbox') ?? '[]')
}

/** @param {import('./outbox.js').Unsent[]} items */
export function storeOutbox(items) {
  keep('troupe-chat.outbox', JSON.stringify(items))
}

/** The room that the address names, as in `/#garden`. */
export function roomFromAddress() {
  return readRoom(location.hash) ?? FIRST_ROOM
}

/** What somebody typed, as a room's name, or undefined where it is none. @param {string} input */
export function readRoom(input) {
  const room = input.trim().replace(/^#/, '').toLowerCase()
  return ROOM.test(room) ? room : undefined
}

export function isInFront() {
  return document.visibilityState === 'visible' && document.hasFocus()
}

/** Not `crypto.randomUUID`, which is missing where the page is opened by a plain http address of the local network. */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** @param {string} key */
function sessionValue(key) {
  return sessionStorage.getItem(key) ?? undefined
}

/** @param {string} key @param {string} value */
function keep(key, value) {
  sessionStorage.setItem(key, value)
  return value
}
