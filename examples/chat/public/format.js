// From values to what is shown. Pure, no DOM: everything here returns strings and numbers.

/** As many as there are `.tone-…` classes in style.css. */
const TONES = 10

/** The same name has the same colour on every page. @param {string} name */
export function toneOf(name) {
  let hash = 2166136261
  for (const character of name.toLowerCase()) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619)
  return (hash >>> 0) % TONES
}

/** "Ada Lovelace" is AL, "ada" is A. @param {string} name */
export function initialsOf(name) {
  const words = name.split(/[\s._-]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word))
  const letters = (words.length > 1 ? [words[0], words.at(-1)] : [words[0] ?? name]).map((word) => {
    const [first = ''] = /[\p{L}\p{N}]\p{M}*/u.exec(word ?? '') ?? [...(word ?? '')]
    return first
  })
  return letters.join('').toUpperCase()
}

/** @param {string} text */
export function countCharacters(text) {
  return [...text].length
}

const LINK = /https?:\/\/[^\s<>"'`]+/giu

/**
 * Splits a message into text and links. Only what the browser itself reads as an http or https address is a link.
 * @param {string} text
 * @returns {{ text: string, href?: string }[]}
 */
export function segmentsOf(text) {
  /** @type {{ text: string, href?: string }[]} */
  const segments = []
  let end = 0
  for (const match of text.matchAll(LINK)) {
    const address = trimmed(match[0])
    if (!URL.canParse(address)) continue
    const { href, protocol } = new URL(address)
    if (protocol !== 'http:' && protocol !== 'https:') continue
    if (match.index > end) segments.push({ text: text.slice(end, match.index) })
    segments.push({ text: address, href })
    end = match.index + address.length
  }
  if (end < text.length) segments.push({ text: text.slice(end) })
  return segments
}

/** A full stop after an address belongs to the sentence, and so does a bracket that was opened before it. @param {string} address */
function trimmed(address) {
  let end = address.replace(/[.,;:!?…]+$/u, '')
  while (end.endsWith(')') && end.split('(').length < end.split(')').length) end = end.slice(0, -1)
  return end
}

/** One to three emoji and nothing else are shown large. @param {string} text */
export function isEmojiOnly(text) {
  return /^(?:\s*\p{Extended_Pictographic}(?:\uFE0F|\u200D\p{Extended_Pictographic}|\p{Emoji_Modifier})*){1,3}\s*$/u.test(
    text,
  )
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' })
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })

/** @param {number} at */
export function clockTime(at) {
  return CLOCK.format(at)
}

/** @param {number} at @param {number} now */
export function dayName(at, now) {
  const days = dayNumber(now) - dayNumber(at)
  if (days === 0) return 'Today'
  return days === 1 ? 'Yesterday' : DAY.format(at)
}

/** @param {number} one @param {number} other */
export function isSameDay(one, other) {
  return dayNumber(one) === dayNumber(other)
}

/** @param {number} at */
function dayNumber(at) {
  const date = new Date(at)
  return Math.round(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86_400_000)
}

/** "Ada", "Ada and Bo", "Ada, Bo and 3 more". @param {string[]} names */
export function listOf(names) {
  if (names.length <= 1) return names[0] ?? ''
  if (names.length === 2) return `${names[0]} and ${names[1]}`
  if (names.length === 3) return `${names[0]}, ${names[1]} and ${names[2]}`
  return `${names[0]}, ${names[1]} and ${names.length - 2} more`
}

/** How long to wait before trying again: a short moment, then twice as long each time, never two pages alike.
 * @param {number} attempt counted from 0
 * @param {number} random from 0 to 1
 */
export function reconnectDelay(attempt, random) {
  const longest = Math.min(300 * 2 ** attempt, 10_000)
  return longest * (0.5 + random / 2)
}
