import { readFileSync, readlinkSync } from 'node:fs'

/**
 * A worker's `listen({ fd })` means a descriptor of the primary, as with node's own cluster: one that the program was started
 * with. A number that means anything else is refused before it is opened, because to open a descriptor is to own it: the
 * primary's own pipes and channels would be closed with the listener, and some of them are libuv's, which then aborts.
 */
export function isListening(fd: number): boolean {
  if (process.platform !== 'linux') return true // The system's own answer has to do.
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1]
    return inode !== undefined && TABLES.some((table) => listens(table, inode))
  } catch {
    return false // Not open.
  }
}

interface Table {
  readonly file: string
  /** Where the state and the inode are in a line. */
  readonly state: number
  readonly listening: (state: string) => boolean
  readonly inode: number
}

const TCP = { state: 3, listening: (state: string) => state === '0A', inode: 9 }
const TABLES: readonly Table[] = [
  { file: 'tcp', ...TCP },
  { file: 'tcp6', ...TCP },
  // The flag `__SO_ACCEPTCON`.
  { file: 'unix', state: 3, listening: (flags) => (Number.parseInt(flags, 16) & 0x10000) !== 0, inode: 6 },
]

function listens({ file, state, listening, inode }: Table, wanted: string): boolean {
  const lines = readFileSync(`/proc/self/net/${file}`, 'latin1').split('\n')
  return lines.some((line) => {
    const columns = line.trim().split(/\s+/)
    return columns[inode] === wanted && listening(columns[state] as string)
  })
}
