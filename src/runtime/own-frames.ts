import { PACKAGE_ROOT } from './package-root.js'

/**
 * Whoever reads a stack wants the lines of the program. Ours are left out of it: between the program's `await` and the
 * error lie only steps of this library. A stack names its files as built, or through the source map as written.
 */
const PACKAGE = PACKAGE_ROOT?.slice('file://'.length)
/** As a URL and as a path; nothing when this file was bundled into a program, whose frames are then not ours to drop. */
const OWN = PACKAGE ? [PACKAGE, decodeURI(PACKAGE)].flatMap((folder) => [`${folder}dist/`, `${folder}src/`]) : []

/** Takes our frames out of the error's stack, in place. A stack that is nothing else stays as it is. */
export function withoutOwnFrames<E>(error: E): E {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return error
  const stack = dropOwnFrames(error.stack, `${error.name}: ${error.message}`)
  if (stack !== error.stack) error.stack = stack
  return error
}

export function dropOwnFrames(stack: string, header = ''): string {
  const start = stack.startsWith(header) ? header.length : 0
  const lines = stack.slice(start).split('\n')
  const theirs = lines.filter((line) => !OWN.some((folder) => line.includes(folder)) && !INTERNAL.test(line))
  return theirs.some((line) => FRAME.test(line)) ? stack.slice(0, start) + theirs.join('\n') : stack
}

const FRAME = /^\s+at /
/** Node's own steps between ours. */
const INTERNAL = /^\s+at .*\(?node:(internal\/(process\/task_queues|async)|async_hooks)/
