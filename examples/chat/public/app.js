// The page: brings the parts together, and decides what each message of the server means for them.
//
//   connection.js  the WebSocket, opened again whenever it is lost      history.js   what was seen, per room
//   outbox.js      what is written and not yet promised                 format.js    names, times, links, colours
//   tab.js         what this tab keeps through a reload                 dom.js       text into elements
//   messages.js, composer.js, typing.js, sidebar.js, name-dialog.js     the things on the screen
//
// The protocol is described in ../wire.ts.

import { Composer } from './composer.js'
import { Connection } from './connection.js'
import { byId } from './dom.js'
import { History } from './history.js'
import { MessageList } from './messages.js'
import { NameDialog } from './name-dialog.js'
import { Outbox } from './outbox.js'
import { Sidebar } from './sidebar.js'
import { client, isInFront, randomId, readRoom, roomFromAddress, storedOutbox, storeOutbox } from './tab.js'
import { TypingLine } from './typing.js'

const TOAST_MS = 5_000
/** Rooms whose messages are kept when another one is looked at. */
const REMEMBERED_ROOMS = 20

const outbox = new Outbox({ items: storedOutbox(), save: storeOutbox })
const typing = new TypingLine()
/** @type {Map<string, History>} */
const histories = new Map()
let name = ''
let room = roomFromAddress()
/** @type {import('./sidebar.js').Person | undefined} who the server says we are, once we are in a room */
let you
/** @type {string | undefined} the room that the server has us in, while the connection lasts */
let joinedRoom
/** Whether we come into the room, rather than back to it after a lost connection. */
let isEntering = true
/** @type {import('./sidebar.js').RoomSummary[]} */
let directory = []

const messages = new MessageList(() => markRead())
const composer = new Composer({ send: say, typing: () => void connection.send({ type: 'typing' }) })
const nameDialog = new NameDialog((chosen) => {
  useName(chosen)
  join()
  composer.focus()
})
const sidebar = new Sidebar({
  openRoom(input) {
    const wanted = readRoom(input)
    if (!wanted) return 'Up to 32 letters a to z, digits, “-” and “_”, beginning with a letter or digit.'
    location.hash = wanted
    return undefined
  },
  wave: ({ person, name: theirs }) => {
    if (connection.send({ type: 'wave', person })) toast(`You wave at ${theirs}.`)
  },
})
const connection = new Connection({ opened: join, received, lost })

addEventListener('hashchange', () => {
  const wanted = roomFromAddress()
  if (wanted === room) return
  markRead()
  room = wanted
  joinedRoom = undefined
  isEntering = true
  delete byId('stage').dataset.roomJoined
  showRoom()
  join()
})
addEventListener('focus', () => markRead())
byId('skip-link').addEventListener('click', (event) => {
  // The address after the # is the room's.
  event.preventDefault()
  composer.focus()
})

useName(nameDialog.stored)
showRoom()
if (name === '') nameDialog.ask()
else composer.focus()
connection.open()

// ---- to the server -----------------------------------------------------------------------------------------------

function join() {
  if (name === '') return
  const since = historyOf(room).position
  connection.send({ type: 'join', room, name, client, ...(since && { since }) })
}

/** @param {string} text @returns {string | undefined} why it cannot be sent */
function say(text) {
  if (name === '') {
    nameDialog.ask()
    return 'Choose a name first.'
  }
  if (outbox.isFull)
    return 'Many messages are waiting for the connection already. Your text stays here until it is back.'
  const item = { room, nonce: randomId(), text, at: Date.now() }
  outbox.add(item)
  messages.clearSeparator()
  messages.addUnsent(item)
  markUnsent()
  flush()
  return undefined
}

function flush() {
  if (joinedRoom !== room) return
  const item = outbox.next(room)
  if (item) connection.send({ type: 'say', room, nonce: item.nonce, text: item.text })
}

// ---- from the server ---------------------------------------------------------------------------------------------

/** @param {any} message one of `ServerMessage` in ../wire.ts */
function received(message) {
  switch (message.type) {
    case 'welcome':
      return showStatus('online', `Connected to worker ${message.worker} (pid ${message.pid})`)
    case 'rooms':
      directory = message.rooms
      return showRooms()
    case 'joined':
      return joined(message)
    case 'message':
      return heard(message)
    case 'accepted':
      return delivered(message.nonce)
    case 'people':
      if (you && message.room === joinedRoom) sidebar.showPeople(message.people, you)
      return
    case 'typing':
      if (message.room === joinedRoom) typing.add(message.from)
      return
    case 'wave':
      return toast(`${message.from.name} waves at you 👋`)
    case 'refused':
      return refused(message)
  }
}

/** @param {any} answer */
function joined(answer) {
  connection.settled()
  // The answer to an earlier wish; the one to the last is on its way.
  if (answer.room !== room) return
  joinedRoom = room
  byId('stage').dataset.roomJoined = 'true'
  you = answer.you
  useName(answer.you.name)
  sidebar.showPeople(answer.people, answer.you)
  const history = historyOf(room)
  const known = history.last
  if (history.join(answer) && !isEntering) {
    for (const message of answer.messages) if (message.seq > known) show(message)
  } else showRoom()
  isEntering = false
  markRead()
  showRooms()
  outbox.retry()
  markUnsent()
  flush()
}

/** @param {any} message */
function heard(message) {
  if (message.room === joinedRoom && historyOf(room).add(message)) show(message)
}

/** @param {import('./history.js').Message} message */
function show(message) {
  const history = historyOf(room)
  typing.remove(message.person)
  const unread = !isInFront() && history.readTo === message.seq - 1 && message.person !== you?.person
  messages.add(message, you?.person, unread)
  if (message.nonce) delivered(message.nonce)
  if (isInFront() && messages.isFollowing) markRead()
  showTitle()
}

/** @param {string} nonce */
function delivered(nonce) {
  outbox.remove(nonce)
  // Usually its numbered self has replaced it by now; if not, this was said before and is in the history already.
  messages.removeUnsent(nonce)
  flush()
}

/** @param {{ code: string, reason: string, nonce?: string, retryAfter?: number }} refusal */
function refused({ code, reason, nonce, retryAfter }) {
  if (code === 'bad-name' || code === 'name-taken')
    return nameDialog.ask({ problem: reason, canCancel: joinedRoom !== undefined })
  if (retryAfter !== undefined) {
    // Only later: it stays in its place and goes out by itself.
    if (nonce) composer.say(`${reason} Your message goes out in a moment.`, retryAfter + 1)
    else composer.say(reason, retryAfter + 1)
    setTimeout(() => {
      outbox.retry()
      if (joinedRoom === room) flush()
      else join()
    }, retryAfter * 1000)
    return
  }
  if (code === 'not-in-room') {
    outbox.retry()
    return join()
  }
  composer.say(reason)
  if (nonce) {
    const item = outbox.remove(nonce)
    messages.removeUnsent(nonce)
    if (item) composer.giveBack(item.text)
    flush()
  }
}

function lost() {
  joinedRoom = undefined
  delete byId('stage').dataset.roomJoined
  outbox.retry()
  markUnsent()
  showStatus('offline', 'Connection lost, trying again…')
}

// ---- on the screen -----------------------------------------------------------------------------------------------

function showRoom() {
  const { messages: shown, truncated, readTo, log } = historyOf(room)
  byId('room-name').textContent = room
  composer.showRoom(room)
  composer.say('')
  typing.clear()
  messages.showRoom({
    room,
    messages: shown,
    truncated,
    readTo,
    you: you?.person,
    unsent: outbox.in(room),
    isLoaded: log !== undefined,
  })
  markUnsent()
  showRooms()
  showTitle()
}

function showRooms() {
  sidebar.showRooms(directory, room, ({ room: other, last }) => {
    const history = histories.get(other)
    return history !== undefined && last > history.readTo
  })
}

/** @param {'online' | 'offline' | 'connecting'} state @param {string} text */
function showStatus(state, text) {
  byId('status').dataset.state = state
  if (byId('status-text').textContent !== text) byId('status-text').textContent = text
}

function markUnsent() {
  messages.markUnsent(joinedRoom === room ? 'sending…' : 'waiting for the connection…')
}

function markRead() {
  // Not before the room is complete: where the unread begin is shown when it is.
  if (joinedRoom !== room || !isInFront() || !messages.isFollowing) return
  const history = historyOf(room)
  history.readTo = history.last
  showTitle()
}

function showTitle() {
  const history = historyOf(room)
  const unread = history.messages.filter(({ seq }) => seq > history.readTo).length
  document.title = `${unread > 0 ? `(${unread}) ` : ''}#${room} · Troupe chat`
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let toastTimer
/** @param {string} text */
function toast(text) {
  clearTimeout(toastTimer)
  byId('toast').textContent = text
  toastTimer = setTimeout(() => {
    byId('toast').textContent = ''
  }, TOAST_MS)
}

// ---- small things ------------------------------------------------------------------------------------------------

/** @param {string} chosen */
function useName(chosen) {
  name = chosen
  sidebar.showYou(chosen)
}

/** @param {string} wanted */
function historyOf(wanted) {
  const history = histories.get(wanted) ?? new History()
  histories.set(wanted, history)
  for (const other of histories.keys()) {
    if (histories.size <= REMEMBERED_ROOMS) break
    if (other !== wanted) histories.delete(other)
  }
  return history
}
