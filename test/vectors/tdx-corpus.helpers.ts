import { openCorpus } from './corpus.helpers.ts'

export const { folder: CORPUS, changed, publishedIds, publishedVectors } = openCorpus('tdx')
