export const sorted = (values) => [...values].sort((a, b) => a - b)
export const quantile = (values, q) =>
  sorted(values)[Math.min(values.length - 1, Math.floor(values.length * q))]
export const median = (values) => quantile(values, 0.5)
export const shuffled = (items) =>
  items
    .map((item) => [Math.random(), item])
    .sort((a, b) => a[0] - b[0])
    .map(([, item]) => item)
