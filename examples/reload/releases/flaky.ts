/** A build that starts, listens, and dies when its first timer fires: what only time shows. */
import { serve } from '../serve.js'

serve('flaky')
setTimeout(() => {
  throw new Error('the cache cannot be warmed')
}, 1_000)
