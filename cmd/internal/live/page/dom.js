// Making elements. Text is always set as text, never as HTML: class names and folder names come from elsewhere.

const svgNames = "http://www.w3.org/2000/svg";

// h makes an HTML element: h("td", {class: "number"}, "12").
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

// s makes an SVG element.
export function s(name, attributes = {}, ...children) {
  return fill(document.createElementNS(svgNames, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

// renew fills an element again if what it shows has another key than before: what is not made anew keeps its place for the
// mouse, the keyboard and the scroll bar.
export function renew(element, key, make) {
  if (element.dataset.key === key) {
    return;
  }
  element.dataset.key = key;
  const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
  const scrolled = element.querySelector(".scroll")?.scrollTop ?? 0;
  element.replaceChildren(...make());
  element.querySelector(".scroll")?.scrollTo(0, scrolled);
  if (focused) {
    byId(focused)?.focus();
  }
}

// table makes a table in a box that scrolls; cells of a column in numbers are set to the right.
export function table(caption, columns, rows) {
  const cell = (kind, text, column) => h(kind, { class: column.number ? "number" : null, scope: kind === "th" ? "col" : null }, text);
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h("table", {},
      h("thead", {}, h("tr", {}, ...columns.map((column) => cell("th", column.title, column)))),
      h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((text, i) => cell("td", text, columns[i])))))));
}
