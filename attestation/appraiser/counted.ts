/** `1 model`, `2 models`. @param many where it is not `what` and an s */
export function counted(count: number, what: string, many = `${what}s`): string {
  return `${count} ${count === 1 ? what : many}`
}
