/**
 * The files of the project and what they import, for the tests that hold the project to its own rules.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs'
import { posix, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const SKIPPED = new Set(['node_modules', 'dist', 'coverage', '.git', '.bench'])

/** Paths from the root, with `/`, of every file that is not installed, built or git's own. */
export function projectFiles(folder = ''): string[] {
  return readdirSync(ROOT + folder, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name) || entry.name === '__pycache__') return []
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) return projectFiles(path)
    return entry.isFile() ? [path.split(sep).join('/')] : []
  })
}

export function readText(path: string): string {
  return readFileSync(ROOT + path, 'utf8')
}

/** Stands for a module name that is computed, which no rule can judge. */
export const COMPUTED = '<computed>'

function textOf(node: ts.Node | undefined): string {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : COMPUTED
}

/** True for `require`, `require.resolve` and the result of `createRequire(…)`. */
function isRequire(callee: ts.Expression): boolean {
  if (ts.isIdentifier(callee)) return callee.text === 'require'
  if (ts.isPropertyAccessExpression(callee)) return isRequire(callee.expression)
  if (!ts.isCallExpression(callee)) return false
  const made = callee.expression
  return ts.isIdentifier(made)
    ? made.text === 'createRequire'
    : ts.isPropertyAccessExpression(made) && made.name.text === 'createRequire'
}

/** Every module that a source names: import, export from, import type, import(), import equals, require. */
export function importsOf(path: string, text: string): string[] {
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) found.push(textOf(node.moduleSpecifier))
    else if (ts.isExportDeclaration(node)) {
      if (node.moduleSpecifier !== undefined) found.push(textOf(node.moduleSpecifier))
    } else if (ts.isImportEqualsDeclaration(node)) {
      if (ts.isExternalModuleReference(node.moduleReference)) {
        found.push(textOf(node.moduleReference.expression))
      }
    } else if (ts.isImportTypeNode(node)) {
      found.push(ts.isLiteralTypeNode(node.argument) ? textOf(node.argument.literal) : COMPUTED)
    } else if (
      ts.isCallExpression(node) &&
      (node.expression.kind === ts.SyntaxKind.ImportKeyword || isRequire(node.expression))
    ) {
      found.push(textOf(node.arguments[0]))
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false))
  return found
}

/** The file that a relative import of `path` leads to, as a path from the root. */
export function resolveImport(path: string, specifier: string): string {
  return posix.join(posix.dirname(path), specifier)
}

/** `@scope/name/sub/path` is of package `@scope/name`. */
export function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}
