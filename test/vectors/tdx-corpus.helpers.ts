import { openCorpus } from './corpus.helpers.ts'
export type { PublishedVector } from './corpus.helpers.ts'

export const { folder: CORPUS, published, publishedIds, publishedVectors } = openCorpus('tdx')
