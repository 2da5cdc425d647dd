/**
 * Every limit of the chat, and the rules for text that people send.
 *
 * Pure: text in, a verdict out. The worker applies these rules to whatever comes over a WebSocket, so that nothing
 * behind it has to ask again. Markup is no concern here: `<b>` is three honest characters, stored as they are, and the
 * page shows them as text.
 */

export const LIMITS = {
  /** Fits beside a message on a phone. Counted in code points, so that an emoji is not worth two letters. */
  nameLength: 32,
  /** Rooms are part of the address (`/#garden`), so they stay short enough to be said aloud. */
  roomLength: 32,
  /** A long paragraph. More than that is a document, and one document would push a whole conversation off screen. */
  messageLength: 2_000,
  /** Many short lines take more screen than one long one. */
  messageLines: 60,
  /** The longest legal message takes 24 kB when JSON escapes all of it; `ws` closes with 1009 above this. */
  frameBytes: 32 * 1024,

  /** Messages kept per room: what a newcomer reads, and how much can be missed and still caught up with. */
  roomHistory: 300,
  /** All of a room's history together: it is sent in one frame, which a slow phone must be able to take. */
  roomHistoryCharacters: 150_000,
  /** Message ids remembered per room, to recognise what is sent twice. Longer than the history, as ids are small. */
  roomReceipts: 2_000,
  /** People per room: each joining sends the list of all of them to all of them. */
  roomMembers: 200,
  /** Rooms in all. A new one takes the place of the longest silent empty one. */
  rooms: 50,

  /** WebSockets per worker; above it the upgrade is answered 503. */
  connectionsPerWorker: 2_000,
  /** What may wait for a slow client before it is cut (it comes back and asks for what it missed). */
  sendBufferBytes: 1024 * 1024,
  /** A client that has not answered a ping within this time is gone. */
  heartbeatMs: 20_000,

  /** Faster than anybody types, slower than a script. */
  messageRate: { perSecond: 5, burst: 10 },
  /** Joining costs more than talking: it carries the history. */
  joinRate: { perSecond: 1, burst: 10 },
  /** A greeting is pleasant once. */
  waveRate: { perSecond: 0.5, burst: 3 },
  /** All frames together, the refused ones included. Who exceeds it is no person at a keyboard and is disconnected. */
  frameRate: { perSecond: 30, burst: 90 },
  /** One typing hint per connection and interval reaches the room; the rest is dropped. */
  typingMs: 1_500,
} as const

/** Text that passed, or the sentence to show to the one who wrote it. */
export type Verdict = { ok: true; value: string } | { ok: false; reason: string }

// Invisible characters that reorder or hide their neighbours: with them "gpj.exe" reads as "exe.jpg", and two names
// that differ look the same. Zero-width joiners and emoji tags stay: flags, families and several scripts need them.
const BIDI_CONTROLS = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu
const INVISIBLE = /[\u00AD\u115F\u1160\u180E\u200B\u2060-\u2064\u206A-\u206F\u3164\uFEFF\uFFA0\uFFF9-\uFFFB]/gu
const CONTROLS = /\p{Cc}/gu
const CONTROLS_BUT_NEWLINE_AND_TAB = /(?![\n\t])\p{Cc}/gu
const LONE_SURROGATES = /\p{Cs}/gu
// Up to four marks on one letter occur in real languages; a tower of forty covers the lines above.
const STACKED_MARKS = /(\p{M}{4})\p{M}+/gu
const UNSEEN_IN_NAMES = /\p{Cf}|\uFE0F/gu
const VISIBLE = /[\p{L}\p{N}\p{P}\p{S}]/u
const ROOM = /^[a-z0-9][a-z0-9_-]*$/

export function cleanName(input: string): Verdict {
  const name = visibleText(input).replace(CONTROLS, ' ').replace(/\s+/gu, ' ').trim()
  if (!VISIBLE.test(name)) return { ok: false, reason: 'Choose a name with at least one visible character.' }
  const length = countCharacters(name)
  if (length > LIMITS.nameLength) {
    return { ok: false, reason: `A name has at most ${LIMITS.nameLength} characters; this one has ${length}.` }
  }
  return { ok: true, value: name }
}

export function cleanRoom(input: string): Verdict {
  const room = input.trim().toLowerCase()
  if (room.length > LIMITS.roomLength) {
    return {
      ok: false,
      reason: `A room name has at most ${LIMITS.roomLength} characters; this one has ${room.length}.`,
    }
  }
  if (!ROOM.test(room)) {
    return {
      ok: false,
      reason: 'A room name is made of the letters a to z, digits, “-” and “_”, and begins with a letter or digit.',
    }
  }
  return { ok: true, value: room }
}

export function cleanMessage(input: string): Verdict {
  const text = visibleText(input.replace(/\r\n?|[\u2028\u2029]/gu, '\n'))
    .replace(CONTROLS_BUT_NEWLINE_AND_TAB, '')
    .replace(/\n{3,}/gu, '\n\n')
    .replace(/^\s*\n/u, '')
    .trimEnd()
  if (!VISIBLE.test(text)) return { ok: false, reason: 'There is nothing to read in this message.' }
  const length = countCharacters(text)
  if (length > LIMITS.messageLength) {
    return {
      ok: false,
      reason: `A message has at most ${grouped(LIMITS.messageLength)} characters; this one has ${grouped(length)}.`,
    }
  }
  const lines = text.split('\n').length
  if (lines > LIMITS.messageLines) {
    return { ok: false, reason: `A message has at most ${LIMITS.messageLines} lines; this one has ${lines}.` }
  }
  return { ok: true, value: text }
}

/** Two names that a reader would take for the same one: case, width and composition do not count. */
export function sameName(one: string, other: string): boolean {
  return folded(one) === folded(other)
}

/** Code points, the way the page counts them too. */
export function countCharacters(text: string): number {
  let count = 0
  for (const _ of text) count += 1
  return count
}

function visibleText(input: string): string {
  return input
    .normalize('NFC')
    .replace(LONE_SURROGATES, '\uFFFD')
    .replace(BIDI_CONTROLS, '')
    .replace(INVISIBLE, '')
    .replace(STACKED_MARKS, '$1')
}

function folded(name: string): string {
  return name.normalize('NFKC').toLowerCase().replace(UNSEEN_IN_NAMES, '')
}

function grouped(count: number): string {
  return count.toLocaleString('en').replaceAll(',', '\u202F')
}
