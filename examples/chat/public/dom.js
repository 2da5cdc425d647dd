/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

// The three things the views need from the DOM. Nothing in this page ever parses HTML: text is always set as text.

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const found = document.getElementById(id)
  if (!found) throw new Error(`index.html has no element #${id}`)
  return /** @type {T} */ (found)
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} className
 * @param {...(Node | string)} children strings become text nodes
 * @returns {HTMLElementTagNameMap[K]}
 */
export function create(tag, className, ...children) {
  const element = document.createElement(tag)
  if (className) element.className = className
  element.append(...children)
  return element
}

/** @param {HTMLElement} parent @param {string} selector */
export function focusIn(parent, selector) {
  /** @type {HTMLElement | null} */
  const found = parent.querySelector(selector)
  found?.focus()
}

/** A name between other words, kept from reordering them whatever script it is in. @param {string} name */
export function nameNode(name) {
  return create('bdi', '', name)
}
