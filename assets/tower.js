// What the page does without asking the server: login, logout, language, dialogs, palette, shortcuts, relative time,
// arrow keys in charts, jumps to evidence. One delegated listener per kind of event, so it survives every re-render.
(function () {
  "use strict";
  var doc = document;
  var html = doc.documentElement;
  var byId = function (id) {
    return doc.getElementById(id);
  };
  var locale = function () {
    return html.dataset.locale || "en";
  };

  // ---- relative time: every five seconds, in place, by the page's language ----
  var UNITS = [
    ["year", 31536000],
    ["month", 2592000],
    ["week", 604800],
    ["day", 86400],
    ["hour", 3600],
    ["minute", 60],
  ];
  var formats = {};
  function relative(iso) {
    var seconds = (new Date(iso).getTime() - Date.now()) / 1000;
    if (isNaN(seconds)) return "";
    var lang = locale();
    var format = (formats[lang] = formats[lang] || new Intl.RelativeTimeFormat(lang, { numeric: "auto", style: "short" }));
    for (var i = 0; i < UNITS.length; i++) {
      if (Math.abs(seconds) >= UNITS[i][1]) return format.format(Math.trunc(seconds / UNITS[i][1]), UNITS[i][0]);
    }
    return Math.abs(seconds) < 10 ? format.format(0, "second") : format.format(Math.trunc(seconds), "second");
  }
  class RelativeTime extends HTMLElement {
    static get observedAttributes() {
      return ["datetime"];
    }
    connectedCallback() {
      this.tick();
    }
    attributeChangedCallback() {
      this.tick();
    }
    tick() {
      var iso = this.getAttribute("datetime");
      var words = iso ? relative(iso) : "";
      if (this.textContent !== words) this.textContent = words;
      if (iso && !this.title) this.title = new Date(iso).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });
    }
  }
  if (!customElements.get("ct-time")) customElements.define("ct-time", RelativeTime);
  setInterval(function () {
    if (!doc.hidden) {
      doc.querySelectorAll("ct-time").forEach(function (element) {
        element.tick();
      });
    }
  }, 5000);

  // ---- a part of a page that comes with its data: the browser looked for it before it was there ----
  class Anchor extends HTMLElement {
    connectedCallback() {
      if (this.id && location.hash === "#" + this.id) this.scrollIntoView({ block: "start" });
    }
  }
  if (!customElements.get("ct-anchor")) customElements.define("ct-anchor", Anchor);

  // ---- login and logout: the cookie is httpOnly, so a full page load follows ----
  function api(path, body, csrf) {
    var headers = { "content-type": "application/json", accept: "application/json" };
    if (csrf) headers["x-csrf-token"] = csrf;
    return fetch(path, { method: "POST", headers: headers, body: JSON.stringify(body), credentials: "same-origin" });
  }
  function showLoginError(form, code) {
    var known = form.querySelector('[data-error="' + code + '"]') ? code : "unavailable";
    form.querySelectorAll("[data-error]").forEach(function (element) {
      element.hidden = element.dataset.error !== known;
    });
    var field = form.querySelector("input[name=password]");
    field.setAttribute("aria-invalid", "true");
    field.focus();
    field.select();
  }
  function safeNext() {
    var next = new URLSearchParams(location.search).get("next") || "/";
    // Only a path of this site: "//host" and "/\host" would leave it.
    return /^\/(?![\/\\])/.test(next) ? next : "/";
  }
  doc.addEventListener("submit", function (event) {
    var form = event.target;
    if (!form.matches || !form.matches("[data-login]")) return;
    event.preventDefault();
    var button = form.querySelector("button[type=submit]");
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    api("/api/auth/login", { username: form.username.value, password: form.password.value })
      .then(function (response) {
        if (response.ok) {
          location.assign(safeNext());
          return null;
        }
        return response.json().then(
          function (body) {
            showLoginError(form, (body.error && body.error.code) || "unavailable");
            form.querySelector("[data-wait]").textContent =
              Math.ceil(Number(response.headers.get("retry-after")) / 60) || "";
          },
          function () {
            showLoginError(form, "unavailable");
          },
        );
      })
      .catch(function () {
        showLoginError(form, "unavailable");
      })
      .finally(function () {
        button.removeAttribute("aria-busy");
      });
  });
  function logout() {
    fetch("/api/auth/me", { credentials: "same-origin", headers: { accept: "application/json" } })
      .then(function (response) {
        return response.ok ? response.json() : {};
      })
      .then(function (me) {
        return api("/api/auth/logout", {}, me.csrf_token);
      })
      .finally(function () {
        // The tab's token names what the server holds for this tab: the next visitor begins with a new one.
        sessionStorage.removeItem("token");
        location.assign("/login");
      });
  }

  // ---- dialogs ----
  function openDialog(id) {
    var dialog = byId(id);
    if (!dialog || dialog.open) return;
    doc.querySelectorAll("dialog[open]").forEach(function (other) {
      other.close();
    });
    dialog.showModal();
    var input = dialog.querySelector("input");
    if (input) {
      input.value = "";
      filterPalette(dialog, "");
      input.focus();
    }
  }
  function filterPalette(dialog, text) {
    var words = text.toLowerCase().split(/\s+/).filter(Boolean);
    var first = null;
    var shown = 0;
    dialog.querySelectorAll("[data-entry]").forEach(function (entry) {
      var haystack = entry.textContent.toLowerCase();
      var hit = words.every(function (word) {
        return haystack.indexOf(word) >= 0;
      });
      entry.hidden = !hit;
      entry.removeAttribute("aria-selected");
      if (hit) {
        shown += 1;
        first = first || entry;
      }
    });
    if (first) first.setAttribute("aria-selected", "true");
    var empty = dialog.querySelector("[data-palette-empty]");
    if (empty) empty.hidden = shown > 0;
  }
  function movePalette(dialog, step) {
    var entries = Array.from(dialog.querySelectorAll("[data-entry]:not([hidden])"));
    if (!entries.length) return;
    var at = entries.findIndex(function (entry) {
      return entry.getAttribute("aria-selected") === "true";
    });
    if (at >= 0) entries[at].removeAttribute("aria-selected");
    var next = entries[(at + step + entries.length) % entries.length];
    next.setAttribute("aria-selected", "true");
    next.scrollIntoView({ block: "nearest" });
  }
  doc.addEventListener("input", function (event) {
    var dialog = event.target.closest && event.target.closest("dialog.palette");
    if (dialog) filterPalette(dialog, event.target.value);
  });

  // Back goes to where the reader came from; the link's own address is for a page opened directly.
  doc.addEventListener(
    "click",
    function (event) {
      var back = event.target.closest && event.target.closest("[data-back]");
      if (back && history.state && history.state.idx > 0) {
        event.preventDefault();
        event.stopPropagation();
        history.back();
      }
    },
    true,
  );

  // ---- clicks ----
  doc.addEventListener("click", function (event) {
    var target = event.target;
    if (!target.closest) return;
    var found;
    if ((found = target.closest("[data-open-dialog]"))) {
      event.preventDefault();
      openDialog(found.dataset.openDialog);
    } else if ((found = target.closest("[data-set-locale]"))) {
      doc.cookie = "ct_locale=" + found.dataset.setLocale + "; path=/; max-age=31536000; samesite=lax";
      location.reload();
    } else if (target.closest("[data-logout]")) {
      logout();
    } else if ((found = target.closest("[data-jump]"))) {
      event.preventDefault();
      jump(found.dataset.jump);
    }
    // A choice inside a dialog, its close button or a click on the backdrop closes it.
    var dialog = target.closest("dialog");
    if (dialog && (target === dialog || target.closest("[data-close], dialog a, [data-entry]"))) {
      var proxy = target.closest("[data-press]");
      dialog.close();
      if (proxy) {
        var press = byId(proxy.dataset.press);
        if (press) press.click();
      }
    }
  });
  function jump(id) {
    var element = byId(id);
    if (!element) return;
    element.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    element.focus({ preventScroll: true });
    element.classList.remove("flash");
    void element.offsetWidth;
    element.classList.add("flash");
  }

  // ---- keys ----
  var GO = { d: "dashboard", s: "search", j: "jobs", y: "system" };
  var pendingGo = 0;
  function typing(element) {
    return element && (element.isContentEditable || /^(input|textarea|select)$/i.test(element.tagName));
  }
  doc.addEventListener("keydown", function (event) {
    var palette = doc.querySelector("dialog.palette[open]");
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (palette) palette.close();
      else openDialog("palette");
      return;
    }
    if (palette && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      movePalette(palette, event.key === "ArrowDown" ? 1 : -1);
      return;
    }
    if (palette && event.key === "Enter") {
      event.preventDefault();
      var entry = palette.querySelector('[data-entry][aria-selected="true"]');
      if (entry) entry.click();
      return;
    }
    if (roveBands(event)) return;
    if (typing(event.target)) {
      // Enter asks, Shift+Enter breaks the line, as in every chat box.
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target.matches("textarea[data-submit-on-enter]")) {
        event.preventDefault();
        event.target.form.requestSubmit();
      }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || doc.querySelector("dialog[open]")) return;
    if (event.key === "/") {
      var question = byId("question");
      event.preventDefault();
      if (question) question.focus();
      else openNav("search");
    } else if (event.key === "?") {
      event.preventDefault();
      openDialog("shortcuts");
    } else if (event.key === "g") {
      pendingGo = Date.now();
    } else if (pendingGo && Date.now() - pendingGo < 1500 && GO[event.key]) {
      pendingGo = 0;
      openNav(GO[event.key]);
    } else if (event.key === "t") {
      var theme = byId("theme-toggle");
      if (theme) theme.click();
    }
  });
  function openNav(name) {
    var link = doc.querySelector('[data-nav="' + name + '"]');
    if (link) link.click();
  }
  // One tab stop per chart; arrows walk its bands, as in a toolbar.
  function roveBands(event) {
    var band = event.target.closest && event.target.closest("[data-bands] .hit");
    if (!band) return false;
    var steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    var bands = Array.from(band.closest("[data-bands]").querySelectorAll(".hit"));
    var at = bands.indexOf(band);
    var next = event.key === "Home" ? 0 : event.key === "End" ? bands.length - 1 : event.key in steps ? at + steps[event.key] : -2;
    if (next === -2) return false;
    event.preventDefault();
    next = Math.max(0, Math.min(bands.length - 1, next));
    bands[next].focus();
    return true;
  }
})();
