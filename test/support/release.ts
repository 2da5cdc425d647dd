import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fixture, temporaryFolder } from './processes.js'

const GATE = 'go'

const PROGRAMS = {
  /** The worker of most tests. Sends `'up'` when it has joined. */
  good: () => `import ${JSON.stringify(fixture('sup-worker').href)}\nprocess.send('up')\n`,
  throws: () => "throw new Error('this release cannot start')\n",
  neverReady: () => "console.error('waiting for a lock')\nsetInterval(() => {}, 60_000)\n",
  /** Starts when the file beside it is there: a signal could come before it listens to any. */
  waits: () =>
    `import { existsSync } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'
while (!existsSync(new URL(${JSON.stringify(GATE)}, import.meta.url))) await after(10)
await import(${JSON.stringify(fixture('sup-worker').href)})
`,
  diesSoon: () =>
    `${PROGRAMS.good()}setTimeout(() => {\n  console.error('the licence has expired')\n  process.exit(7)\n}, 1_000)\n`,
}

/** A worker program in a file that a test replaces, as a deploy does. */
export class Release {
  readonly file = join(temporaryFolder(), 'worker.mjs')

  constructor() {
    this.deploy('good')
  }

  /** Lets go on what waits. */
  finish(): void {
    writeFileSync(join(dirname(this.file), GATE), '')
  }

  deploy(program: keyof typeof PROGRAMS): void {
    writeFileSync(this.file, PROGRAMS[program]())
  }
}
