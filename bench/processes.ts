import { readFileSync } from 'node:fs'

/** USER_HZ, which Linux has as 100 on every platform that Node supports. */
const TICKS_PER_SECOND = 100

/** User and system time that a process has used since its start, all threads of it, in seconds (proc(5), `stat`). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is a name in brackets, which may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** All that a process has started, and what those have started, as far as it lives (proc(5), `children`). */
export function descendants(pid: number): number[] {
  let listed = ''
  try {
    listed = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  } catch {
    // It has ended since.
  }
  const children = listed.split(' ').filter(Boolean).map(Number)
  return children.flatMap((child) => [child, ...descendants(child)])
}
