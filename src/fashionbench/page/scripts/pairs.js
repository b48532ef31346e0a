// Head to head: two networks in words, and the images that only one of them gets right.

const SHOWN = 24; // images of a group

/** Write what is known about the accuracies of the two networks. */
function describePair(view) {
  const { first, second } = view;
  if (first === second) return ["Choose two different networks."];
  const missing = missingOf(view);
  if (missing) return [missing];
  const split = view.split === "train" ? "test" : view.split;
  const found = findPair(view.arm, split, first, second);
  const range = (low, high) => `[${signed(PERCENT * low)}, ${signed(PERCENT * high)}]`;
  const sentences = [
    `Accuracy on ${SPLITS[split]} images, ${first} minus ${second}: ${signed(PERCENT * found.difference)} points, ` +
      `${found.seeds ? `the mean over ${found.seeds} seeds that both have` : "of runs without a common seed"}` +
      (found.low === null ? "." : `, with the 95% interval ${range(found.low, found.high)}.`),
  ];
  if (found.seeds && found.welch !== null) {
    sentences.push(
      `Over all runs, ${data.seeds[first].length} and ${data.seeds[second].length}, it is ` +
        `${signed(PERCENT * found.welch)} points` +
        (found.welch_low === null ? "." : `, with Welch's interval ${range(found.welch_low, found.welch_high)}.`),
    );
  }
  if (found.crossed_low !== null) {
    sentences.push(`Over seeds and images the interval is ${range(found.crossed_low, found.crossed_high)}.`);
  }
  if (found.p !== null) {
    sentences.push(
      `${found.seeds ? "Paired" : "Welch's"} t test: ${significance(found.p)}; after Holm's correction for all pairs ${significance(found.p_adjusted)}, ` +
        `${found.p_adjusted <= data.alpha ? "significant" : "not significant"}.`,
    );
  }
  sentences.push(`A run of ${first} beats a run of ${second} in ${percent(found.superiority)} of all pairs of runs.`);
  if (found.mcnemar_for !== null) sentences.push(describeMcNemar(found, first, second));
  return sentences;
}

/** Say which of the two networks has no results in the arm: one added after a study of another loss. */
function missingOf({ arm, first, second }) {
  const missing = [first, second].filter((name) => !isTrained(name, arm));
  return missing.length ? `On ${arm}, ${missing.join(" and ")} has not been trained.` : "";
}

function describeMcNemar(found, first, second) {
  const [better, worse] = found.difference >= 0 ? [first, second] : [second, first];
  return (
    `McNemar's exact test on the same images is significant for ${better} in ${percent(found.mcnemar_for)} ` +
    `of all pairs of runs, and for ${worse} in ${percent(found.mcnemar_against)}.`
  );
}

/** Return the comparison of two networks, turned round if it is stored the other way. */
function findPair(arm, split, first, second) {
  const pairs = data.arms[arm].pairs.filter((pair) => pair.split === split);
  const found = pairs.find((pair) => pair.first === first && pair.second === second);
  if (found) return found;
  const turned = pairs.find((pair) => pair.first === second && pair.second === first);
  const minus = (value) => (value === null ? null : -value);
  return {
    ...turned,
    difference: -turned.difference,
    low: minus(turned.high),
    high: minus(turned.low),
    crossed_low: minus(turned.crossed_high),
    crossed_high: minus(turned.crossed_low),
    superiority: 1 - turned.superiority,
    welch: minus(turned.welch),
    welch_low: minus(turned.welch_high),
    welch_high: minus(turned.welch_low),
  };
}

function percent(share) {
  return `${(PERCENT * share).toFixed(0)}%`;
}

/** Show the four counts of the chosen replicates, and the images that tell them apart. */
function showImages(view) {
  const place = document.getElementById("disagreements");
  const { chosen } = data;
  if (!chosen || view.arm !== chosen.arm) {
    place.replaceChildren(element("p", "There are no stored predictions of these networks."));
    return;
  }
  if (view.first === view.second) {
    place.replaceChildren();
    return;
  }
  const [one, other] = [view.first, view.second].map((name) => chosen.predictions[name]);
  const isRight = (predicted, image) => predicted[image] === chosen.labels[image];
  const images = chosen.labels.map((_, image) => image).filter((image) => isOfClass(view, image));
  const pick = (a, b) => images.filter((i) => isRight(one, i) === a && isRight(other, i) === b);
  const groups = {
    [`Only ${view.first} is right`]: pick(true, false),
    [`Only ${view.second} is right`]: pick(false, true),
    "Both are wrong, each in its own way": pick(false, false).filter((i) => one[i] !== other[i]),
  };
  place.replaceChildren(
    element("p", describeCounts(view, images.length, pick)),
    ...Object.entries(groups).map(([title, found]) => imageGroup(title, found, view)),
  );
}

function isOfClass(view, image) {
  return view.class === "" || data.chosen.labels[image] === view.class;
}

function describeCounts(view, total, pick) {
  const { first, second } = view;
  const { seeds, mcnemar } = data.chosen;
  const kind = view.class === "" ? "test images" : `test images of the class ${data.classes[view.class]}`;
  const count = (a, b) => pick(a, b).length.toLocaleString("en");
  const p = mcnemar[`${first} ${second}`] ?? mcnemar[`${second} ${first}`];
  return (
    `Seed ${seeds[first]} of ${first} and seed ${seeds[second]} of ${second}, those with the highest validation accuracy: ` +
    `of ${total.toLocaleString("en")} ${kind} both get ${count(true, true)} right, only ${first} ${count(true, false)}, ` +
    `only ${second} ${count(false, true)}, and neither ${count(false, false)}.` +
    (view.class === "" ? ` McNemar's exact test of these two runs: ${significance(p)}.` : "")
  );
}

function imageGroup(title, found, view) {
  const { thumbnails } = data;
  const shown = found.filter((image) => thumbnails.images.includes(image)).slice(0, SHOWN);
  const group = element("section");
  const heading = element("h5", `${title}: ${found.length.toLocaleString("en")}`);
  const list = element("ul");
  list.className = "thumbnails";
  list.append(...shown.map((image) => thumbnail(image, view)));
  group.append(heading);
  if (shown.length < found.length) {
    group.append(element("p", `The first ${shown.length} for which the page has a picture.`));
  }
  if (shown.length) group.append(list);
  return group;
}

function thumbnail(image, view) {
  const { chosen, thumbnails } = data;
  const cell = thumbnails.images.indexOf(image);
  const row = Math.floor(cell / thumbnails.columns);
  const picture = element("span");
  picture.className = "thumbnail";
  picture.style.setProperty("--column", cell % thumbnails.columns);
  picture.style.setProperty("--row", row);
  const item = element("li");
  const answers = [view.first, view.second].map((name) => {
    const predicted = chosen.predictions[name][image];
    const mark = predicted === chosen.labels[image] ? "✓" : "✗";
    return element("span", `${mark} ${name}: ${data.classes[predicted]}`);
  });
  item.append(picture, element("strong", data.classes[chosen.labels[image]]), ...answers);
  return item;
}

function element(tag, text = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
