import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Logger } from '../logger.js'

export interface MeetingFolderOptions {
  readonly logger: Logger
  /** It was made, and is to be removed also when this process cannot do it any more. */
  readonly made: (folder: string) => void
}

/** Bytes of a unix socket's path, the zero at its end not counted. Node 20 cuts off what is longer. */
const LONGEST_PATH = 103

/** A folder of the primary's own in which workers meet: nobody else's process can look into it (mode 0700). */
export class MeetingFolder {
  readonly #options: MeetingFolderOptions
  /** Null: there can be none. */
  #folder: string | null | undefined

  constructor(options: MeetingFolderOptions) {
    this.#options = options
  }

  next(meeting: number): { readonly path: string; readonly secret: string } | undefined {
    // Somebody may have tidied up.
    if (this.#folder && !existsSync(this.#folder)) this.#folder = undefined
    this.#folder ??= this.#folder === null ? null : this.#make()
    if (this.#folder === null) return undefined
    const { randomBytes } = process.getBuiltinModule('node:crypto')
    return { path: join(this.#folder, String(meeting)), secret: randomBytes(32).toString('hex') }
  }

  close(): void {
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true })
    this.#folder = null
  }

  #make(): string | null {
    const { logger, made } = this.#options
    // Workers may have another working directory.
    const prefix = resolve(tmpdir(), 'troupe-')
    // Six characters of the system's, and as many digits as the number of a meeting may have.
    const longest = Buffer.byteLength(prefix) + 6 + 1 + 16
    const without = 'workers have no direct links to each other: their calls go by way of the primary'
    if (longest > LONGEST_PATH) {
      logger.warn(`the path of the folder for temporary files (${tmpdir()}) is too long for sockets, so ${without}`)
      return null
    }
    try {
      const folder = mkdtempSync(prefix)
      made(folder)
      return folder
    } catch (error) {
      logger.warn(`no folder for sockets could be made, so ${without}`, error)
      return null
    }
  }
}
