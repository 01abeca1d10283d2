// Every text on the page whose contrast is below 4.5 to 1, with its ratio (WCAG 2.2, 1.4.3).
() => {
  const parts = (color) => [...color.match(/[\d.]+/g).map(Number), 1].slice(0, 4);
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
  const linear = (value) => (value <= 10.3 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const text = texts.currentNode.textContent.trim();
    if (!text || !element.checkVisibility({ visibilityProperty: true }) || element.closest("option, noscript")) continue;
    let [behind, opacity] = [[], 1];
    for (let at = element; at; at = at.parentElement) {
      behind.unshift(parts(getComputedStyle(at).backgroundColor));
      opacity *= getComputedStyle(at).opacity;
    }
    const ground = behind.reduce((under, top) => over(top, under), [255, 255, 255]);
    const [r, g, b, alpha] = parts(getComputedStyle(element).color);
    const [dark, light] = [luminance(over([r, g, b, alpha * opacity], ground)), luminance(ground)].sort((x, y) => x - y);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) faint.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}
