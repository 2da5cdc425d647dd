/** A build that cannot start: it asks for a setting that nobody has made. */
import { serve } from '../serve.js'

if (!process.env.PRICE_LIST) throw new Error('PRICE_LIST is not set: where are the prices?')
serve('broken')
