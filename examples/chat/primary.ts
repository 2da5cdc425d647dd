/**
 * What the primary does for the workers: `Rooms` as methods, and the publishing that follows from each change.
 *
 * Without side effects at import: `main.ts` hands in the rooms, who is calling, and how to publish.
 */
import type { Channel } from 'troupe'
import {
  directoryChanged,
  type ListenProblem,
  messagePosted,
  type PrimaryMethods,
  presenceChanged,
} from './contract.js'
import type { Holder, Rooms } from './rooms.js'

/** Rooms come and go in herds (a restart, a reload); the list of all rooms is sent once for a whole herd. */
const DIRECTORY_INTERVAL_MS = 200

export interface PrimaryParts {
  rooms: Rooms
  /** The worker whose call is being answered. */
  caller: () => Holder
  publish: <T>(channel: Channel<T>, value: T) => void
}

export function createPrimary({ rooms, caller, publish }: PrimaryParts) {
  let isDirectoryDue = false
  let listenProblem: ListenProblem | undefined

  function announceDirectory(): void {
    if (isDirectoryDue) return
    isDirectoryDue = true
    setTimeout(() => {
      isDirectoryDue = false
      publish(directoryChanged, rooms.directory())
    }, DIRECTORY_INTERVAL_MS).unref()
  }

  function announcePeople(changed: string[]): void {
    for (const room of changed) publish(presenceChanged, { room, people: rooms.people(room) })
    if (changed.length > 0) announceDirectory()
  }

  const methods: PrimaryMethods = {
    join(request) {
      const { answer, changed } = rooms.join(caller(), request)
      announcePeople(changed)
      return answer
    },
    leave(connection) {
      announcePeople(rooms.leave(caller(), connection))
    },
    post(connection, nonce, text) {
      const posted = rooms.post(caller(), connection, nonce, text)
      if (!posted.ok) return posted
      const { room, log, seq, message } = posted.value
      if (message) {
        // Numbered and published in the same turn, so the order on the channel is the order of the numbers.
        publish(messagePosted, { room, log, message })
        announceDirectory()
      }
      return { ok: true, value: { seq } }
    },
    locate: (connection, person) => rooms.locate(caller(), connection, person),
    directory: () => rooms.directory(),
    cannotListen(reason) {
      listenProblem = reason
    },
  }

  return {
    methods,
    listenProblem: () => listenProblem,
    /** A worker's process has ended. Its people come back through another worker; until then they are not here. */
    workerGone: (incarnation: number) => announcePeople(rooms.leaveAll(incarnation)),
  }
}
