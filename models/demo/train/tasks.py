"""The demo model's data: dialogues made by rules, with exact answers, in the message format of the chat template.

Two kinds of generator:
    q_xxx(r) -> Item      one question with its reasoning and answer; items are put into dialogues by `single`, `multi`, `persona`
    d_xxx(r, ev) -> Dialog    a whole dialogue (recall, persona, tools)

Held out: a question belongs to the evaluation when the hash of its text (lower case, no punctuation) says so, and is then
never put into a training dialogue.  The *facts* are in the training data, in other phrasings.
"""
from __future__ import annotations
import json, os, random, re, zlib
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))


def norm(s): return re.sub(r"[^a-z0-9+*-]+", " ", s.lower()).strip()
def held_out(key): return zlib.crc32(norm(key).encode()) % 14 == 0


@dataclass
class Item:
    q: str              # the question
    think: str          # reasoning between <think> and </think>
    a: str              # the answer
    short: str = ""     # the answer in one word, where there is one
    hard: bool = False  # needs its steps: without thinking, the answer shows them
    expect: dict | None = None      # how to judge; None: the text is exactly `a`


@dataclass
class Dialog:
    task: str
    messages: list      # role, content, [reasoning_content], [tool_calls], [train]: this turn carries loss
    tools: list | None = None
    think: bool = True
    expect: dict | None = None


# ------------------------------------------------------------------------------------------------ words
NAMES = ("Alice Ben Clara David Emma Felix Grace Henry Iris Jack Kate Leo Mia Noah Olga Paul Rosa Sam Tina Victor Wendy Zoe "
         "Anna Bob Carlos Diana Erik Fiona George Hana Ivan Julia Kevin Laura Marco Nina Oscar Petra Ravi Sara Tom Vera Walter "
         "Bella Daniel Elena Frank Hugo James Karl Lucy Maria Nadia Omar Robert Thomas Ada Max Lena Otto Ruth Simon Maya Peter "
         "John Mary Jane Susan Mark Luke Ella Owen Lars").split()
CITIES = ("London Paris Berlin Madrid Rome Vienna Prague Lisbon Dublin Oslo Stockholm Helsinki Athens Warsaw Budapest Tokyo Beijing "
          "Seoul Jakarta Manila Cairo Nairobi Sydney Toronto Chicago Boston Denver Seattle Lima Havana Munich Milan Naples "
          "Porto Lyon Geneva Hamburg Amsterdam Brussels Moscow Mumbai Dubai Bern Hanoi").split()
ANIMALS = ("fox rabbit bear mouse owl cat dog duck frog turtle squirrel wolf lion tiger elephant monkey penguin horse goat sheep pig "
           "cow hen crow bee ant fish whale dolphin otter").split()
COLORS = "red blue green yellow orange purple pink black white brown gray gold".split()
FRUITS = "apple banana cherry grape lemon mango melon peach pear plum".split()
FOODS = FRUITS + "bread cheese milk rice soup salad pizza cake tea coffee honey butter".split()
OBJECTS = ("ball book box cup key lamp map pen ring rope spoon star stone table kite drum bell boat bottle candle chair clock coin "
           "door hat knife mirror paper radio shoe ticket wheel window camera flag guitar").split()
JOBS = "teacher doctor baker farmer nurse pilot singer painter writer lawyer driver cook sailor dentist".split()
ADJS = "little brave clever kind happy lazy quiet funny old young".split()
PLACES = "forest village garden castle farm valley cave harbor".split()
ROOMS = "kitchen bedroom office hall garden garage bathroom cellar".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
WORDS = ("time year people way day man thing woman life child world school state family student group country problem hand part place "
         "case week company system program question work government number night point home water room mother area money story fact month "
         "lot right study word business issue side kind head house service friend father power hour game line end member law car city "
         "name team minute idea body back parent face level office health person art war history party result change morning reason "
         "research girl guy moment air teacher force order light music road river summer winter letter market paper glass sugar bridge "
         "train garden engine forest island window silver planet rocket shadow silence dream ocean mountain tower train cloud rain snow "
         "wind fire green fast slow big small new good bad long short warm cold early late happy sad open clean bright dark soft loud "
         "come go see run walk read write sing play make take give find call meet wait help buy sell send bring build").split()
WORDS = sorted(set(WORDS + ANIMALS + COLORS + FOODS + OBJECTS))
MONTHS = "January February March April May June July August September October November December".split()
ORD = "first second third fourth fifth sixth seventh eighth".split()


def plural(w):
    irr = {"mouse": "mice", "sheep": "sheep", "fish": "fish", "wolf": "wolves", "knife": "knives"}
    if w in irr: return irr[w]
    if re.search(r"(s|x|ch|sh)$", w) or w == "mango": return w + "es"
    return w[:-1] + "ies" if w.endswith("y") and w[-2] not in "aeiou" else w + "s"


def an(w): return ("an " if w[0].lower() in "aeiou" else "a ") + w
def cap(s): return s[0].upper() + s[1:]
def join_and(xs): return xs[0] if len(xs) == 1 else ", ".join(xs[:-1]) + " and " + xs[-1]


# ------------------------------------------------------------------------------------------------ facts
COUNTRIES = [tuple(l.rstrip("\n").split("\t")) for l in open(f"{HERE}/countries.tsv")]
pairs = lambda s: [tuple(p.split()) for p in s.replace("\n", "").split(",")]
OPP = pairs("hot cold,big small,tall short,fast slow,happy sad,old new,light dark,hard soft,full empty,open closed,clean dirty,rich poor,"
            "strong weak,wet dry,early late,loud quiet,up down,left right,day night,black white,good bad,true false,first last,high low,"
            "near far,thick thin,wide narrow,easy difficult,cheap expensive,deep shallow,awake asleep,alive dead,friend enemy,love hate,"
            "win lose,buy sell,push pull,start stop,laugh cry,always never,north south,east west,summer winter,sweet sour")
PAST = pairs("go went,see saw,eat ate,run ran,take took,give gave,write wrote,sing sang,swim swam,drink drank,drive drove,fly flew,buy bought,"
             "bring brought,think thought,catch caught,teach taught,find found,make made,come came,begin began,break broke,speak spoke,"
             "sleep slept,keep kept,leave left,lose lost,sell sold,tell told,build built,send sent,hear heard,know knew,grow grew,throw threw,"
             "draw drew,wear wore,forget forgot,win won,sit sat,stand stood,meet met,feel felt,walk walked,talk talked,play played,jump jumped,open opened")
PLUR = pairs("child children,man men,woman women,foot feet,tooth teeth,mouse mice,goose geese,sheep sheep,fish fish,leaf leaves,knife knives,"
             "wolf wolves,box boxes,city cities,baby babies,story stories,bus buses,dish dishes,cat cats,dog dogs,book books,tree trees,car cars,"
             "church churches,fox foxes,glass glasses,wife wives,life lives,person people,hero heroes,key keys,day days,party parties,shelf shelves")
SOUND = pairs("dog barks,cat meows,cow moos,sheep bleats,horse neighs,duck quacks,lion roars,frog croaks,bee buzzes,owl hoots,pig oinks,"
              "hen clucks,snake hisses,wolf howls,mouse squeaks")
YOUNG = pairs("dog puppy,cat kitten,cow calf,horse foal,sheep lamb,pig piglet,hen chick,duck duckling,bear cub,frog tadpole,goat kid,swan cygnet")
MIX = [("red", "yellow", "orange"), ("blue", "yellow", "green"), ("red", "blue", "purple"), ("red", "white", "pink"), ("black", "white", "gray")]
PLANETS = "Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune".split()
TRANS = [(l, *p.split()) for l, s in {
    "French": "water eau,bread pain,house maison,dog chien,cat chat,red rouge,book livre,sun soleil,hello bonjour,friend ami,milk lait,day jour,night nuit",
    "Spanish": "water agua,bread pan,house casa,dog perro,cat gato,red rojo,book libro,sun sol,hello hola,friend amigo,milk leche,day dia,night noche",
    "German": "water Wasser,bread Brot,house Haus,dog Hund,cat Katze,red rot,book Buch,sun Sonne,hello hallo,friend Freund,milk Milch,day Tag,night Nacht"}.items() for p in s.split(",")]
MISC = [  # (phrasings, answer, short answer)
    (["How many legs does a spider have?", "How many legs do spiders have?", "What is the number of legs of a spider?"], "A spider has 8 legs.", "8"),
    (["How many legs does an insect have?", "How many legs do insects have?", "What is the number of legs of an insect?"], "An insect has 6 legs.", "6"),
    (["How many continents are there?", "What is the number of continents?", "How many continents does the Earth have?"], "There are 7 continents.", "7"),
    (["What color is the sky?", "Which color is the sky?", "What is the color of the sky?"], "The sky is blue.", "blue"),
    (["What color is grass?", "Which color does grass have?", "What is the color of grass?"], "Grass is green.", "green"),
    (["What color is snow?", "Which color does snow have?", "What is the color of snow?"], "Snow is white.", "white"),
    (["What is the largest planet?", "Which planet is the biggest?", "Which is the largest planet?"], "Jupiter is the largest planet.", "Jupiter"),
    (["What is the largest ocean?", "Which ocean is the biggest?", "Which is the largest ocean?"], "The Pacific is the largest ocean.", "Pacific"),
    (["What is the highest mountain?", "Which mountain is the highest?", "Which is the highest mountain in the world?"], "Mount Everest is the highest mountain.", "Everest"),
    (["What is the boiling point of water?", "At what temperature does water boil?", "When does water boil?"], "Water boils at 100 degrees Celsius.", "100"),
    (["What is the freezing point of water?", "At what temperature does water freeze?", "When does water freeze?"], "Water freezes at 0 degrees Celsius.", "0"),
    (["What do bees make?", "Which food do bees make?", "What is made by bees?"], "Bees make honey.", "honey"),
    (["How many sides does a triangle have?", "How many sides are in a triangle?", "What is the number of sides of a triangle?"], "A triangle has 3 sides.", "3"),
    (["How many sides does a square have?", "How many sides are in a square?", "What is the number of sides of a square?"], "A square has 4 sides.", "4"),
    (["How many days are in a week?", "How many days does a week have?", "What is the number of days in a week?"], "A week has 7 days.", "7"),
    (["How many months are in a year?", "How many months does a year have?", "What is the number of months in a year?"], "A year has 12 months.", "12"),
    (["How many hours are in a day?", "How many hours does a day have?", "What is the number of hours in a day?"], "A day has 24 hours.", "24"),
    (["Who wrote Hamlet?", "Who is the author of Hamlet?", "Which author wrote Hamlet?"], "William Shakespeare wrote Hamlet.", "Shakespeare"),
    (["What is H2O?", "What does H2O mean?", "What is the common name of H2O?"], "H2O is water.", "water"),
    (["What is the fastest land animal?", "Which land animal is the fastest?", "Which is the fastest land animal?"], "The cheetah is the fastest land animal.", "cheetah"),
    (["Which star is at the center of our solar system?", "Which star do the planets orbit?", "What do the planets orbit?"], "The planets orbit the Sun.", "Sun"),
    (["What is the smallest planet?", "Which planet is the smallest?", "Which is the smallest planet?"], "Mercury is the smallest planet.", "Mercury"),
    (["What is the longest river?", "Which river is the longest?", "Which is the longest river in the world?"], "The Nile is the longest river.", "Nile"),
    (["What is the largest animal?", "Which animal is the largest?", "Which is the largest animal in the world?"], "The blue whale is the largest animal.", "whale"),
    (["How many minutes are in an hour?", "How many minutes does an hour have?", "What is the number of minutes in an hour?"], "An hour has 60 minutes.", "60"),
    (["How many seconds are in a minute?", "How many seconds does a minute have?", "What is the number of seconds in a minute?"], "A minute has 60 seconds.", "60"),
    (["How many letters are in the alphabet?", "How many letters does the alphabet have?", "What is the number of letters in the alphabet?"], "The alphabet has 26 letters.", "26"),
    (["Who painted the Mona Lisa?", "Who is the painter of the Mona Lisa?", "Which painter made the Mona Lisa?"], "Leonardo da Vinci painted the Mona Lisa.", "Leonardo"),
    (["Who was the first man on the Moon?", "Which man was first on the Moon?", "Who walked on the Moon first?"], "Neil Armstrong was the first man on the Moon.", "Armstrong"),
    (["What do plants need to grow?", "What does a plant need?", "What must a plant have to grow?"], "Plants need water, air and light.", ""),
    (["What are the continents?", "Name the continents.", "List the seven continents."], "The continents are Africa, Antarctica, Asia, Australia, Europe, North America and South America.", ""),
    (["What are the months of the year?", "Name the months.", "List the twelve months."], "The months are " + join_and(MONTHS) + ".", ""),
    (["Say the alphabet.", "What is the alphabet?", "Write the alphabet."], "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z", ""),
    (["What are the four seasons?", "Name the four seasons.", "List the seasons."], "The seasons are spring, summer, autumn and winter.", ""),
    (["What are the days of the week?", "Name the days of the week.", "List the days of the week."], "The days are " + join_and(DAYS) + ".", ""),
    (["What are the planets?", "Name the planets.", "List the eight planets."], "The planets are " + join_and(PLANETS) + ".", ""),
]
ASK = ["{}", "{}", "{}", "{}", "Hi! {}", "Hello. {}", "Please tell me: {}", "Quick question: {}", "I have a question. {}", "Do you know this? {}", "Can you help me? {}", "Next question: {}"]


def fact(r, qs, a, short, think): return Item(r.choice(qs), think, a, short)


def q_country(r):
    n, c, k = r.choice(COUNTRIES); x = r.random()
    if x < .5:
        return fact(r, [f"What is the capital of {n}?", f"Which city is the capital of {n}?", f"Tell me the capital of {n}.", f"What's the capital city of {n}?",
                        f"Name the capital of {n}.", f"capital of {n}", f"Do you know the capital of {n}?", f"Which city is the seat of {n}'s government?"], f"The capital of {n} is {c}.", c, f"The question is about {n}. Its capital is {c}.")
    if x < .75:
        return fact(r, [f"{c} is the capital of which country?", f"Which country has the capital {c}?", f"Of which country is {c} the capital?", f"Which country's capital is {c}?"],
                    f"{c} is the capital of {n}.", n, f"The question is about {c}. It is the capital of {n}.")
    return fact(r, [f"On which continent is {n}?", f"Which continent is {n} in?", f"What continent does {n} belong to?", f"Where in the world is {n}?", f"Name the continent of {n}."],
                f"{n} is in {k}.", k, f"The question is about {n}. It is in {k}.")


def q_words(r):
    x = r.random()
    if x < .4:
        a, b = r.choice(OPP)
        if r.random() < .5 and not {a, b} & {"short", "old", "light", "full"}: a, b = b, a
        return fact(r, [f"What is the opposite of {a}?", f"Give me the opposite of {a}.", f"What is an antonym of {a}?", f"Which word means the opposite of {a}?", f"Tell me the opposite of {a}.", f"opposite of {a}"],
                    f"The opposite of {a} is {b}.", b, f"The opposite of {a} is asked. It is {b}.")
    if x < .7:
        a, b = r.choice(PAST)
        return fact(r, [f"What is the past tense of {a}?", f"Give me the past tense of {a}.", f"What is the past form of {a}?", f"Tell me the past tense of {a}.", f"past tense of {a}"],
                    f"The past tense of {a} is {b}.", b, f"The past tense of {a} is asked. It is {b}.")
    a, b = r.choice(PLUR)
    return fact(r, [f"What is the plural of {a}?", f"Give me the plural of {a}.", f"What is the plural form of {a}?", f"Tell me the plural of {a}.", f"plural of {a}"],
                f"The plural of {a} is {b}.", b, f"The plural of {a} is asked. It is {b}.")


def q_translate(r):
    l, a, b = r.choice(TRANS)
    return fact(r, [f"How do you say {a} in {l}?", f"Translate {a} to {l}.", f"What is {a} in {l}?", f"What is the {l} word for {a}?", f"Translate the word {a} into {l}."],
                f"In {l}, {a} is {b}.", b, f"The {l} word for {a} is asked. It is {b}.")


KINDS = {"fruits": FRUITS, "animals": ["dog", "cat", "lion", "bear", "horse"], "colors": COLORS, "jobs": JOBS, "cities": CITIES, "planets": PLANETS, "days": DAYS, "months": MONTHS,
         "drinks": ["water", "tea", "coffee", "milk", "juice"], "farm animals": ["cow", "pig", "sheep", "goat", "hen"], "tools": ["hammer", "saw", "drill", "knife", "brush"], "metals": ["iron", "gold", "silver", "copper", "tin"]}
NUM = "zero one two three four five".split()


def q_order(r):
    """Days, months, letters, counting, and short lists (always the same ones)."""
    x = r.random()
    if x < .5:
        nm, l, k = r.choice([("day", DAYS, 7), ("month", MONTHS, 12), ("letter", list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), 26)]); i = r.randrange(k); b = r.random() < .4
        w, y = ("before", l[i - 1]) if b else ("after", l[(i + 1) % k])
        if nm == "letter" and i == (0 if b else 25): return q_order(r)
        return fact(r, [f"Which {nm} comes {w} {l[i]}?", f"What {nm} is {w} {l[i]}?", f"What is the {nm} {w} {l[i]}?", f"Name the {nm} {w} {l[i]}."], f"The {nm} {w} {l[i]} is {y}.", y, f"The {nm} {w} {l[i]} is asked. It is {y}.")
    if x < .65:
        n = r.randint(3, 20); return fact(r, [f"Count to {n}.", f"Count from 1 to {n}.", f"Please count to {n}.", f"Can you count to {n}?"], ", ".join(map(str, range(1, n + 1))), "", f"I count from 1 to {n}.")
    k = r.choice(list(KINDS)); n = r.randint(2, 5); w = join_and(KINDS[k][:n])
    return fact(r, [f"Name {NUM[n]} {k}.", f"List {n} {k}.", f"Give me {NUM[n]} {k}.", f"Tell me {n} {k}.", f"Can you name {NUM[n]} {k}?"], f"{cap(NUM[n])} {k} are {w}.", "", f"I name {NUM[n]} {k}.")


def q_facts(r):
    x = r.random()
    if x < .2:
        a, s = r.choice(SOUND)
        return fact(r, [f"What sound does {an(a)} make?", f"Which sound does the {a} make?", f"What does the {a} do to make a sound?", f"How does {an(a)} sound?"], f"{cap(an(a))} {s}.", s, f"The sound of the {a} is asked. It {s}.")
    if x < .4:
        a, s = r.choice(YOUNG)
        return fact(r, [f"What is a young {a} called?", f"What do you call a baby {a}?", f"What is the name for a young {a}?", f"What is a baby {a} called?"], f"A young {a} is called {an(s)}.", s, f"A young {a} is asked. It is {an(s)}.")
    if x < .5:
        a, b, c = r.choice(MIX)
        if r.random() < .5: a, b = b, a
        return fact(r, [f"What do you get when you mix {a} and {b}?", f"Which color do {a} and {b} make?", f"Mix {a} and {b}. What color is it?", f"What color is {a} mixed with {b}?"], f"Mixing {a} and {b} makes {c}.", c, f"I mix {a} and {b}. It is {c}.")
    if x < .65:
        i = r.randrange(8); p = PLANETS[i]
        return fact(r, [f"What is the {ORD[i]} planet from the Sun?", f"Which planet is {ORD[i]} from the Sun?", f"Name the {ORD[i]} planet.", f"Which is the {ORD[i]} planet of the solar system?"], f"The {ORD[i]} planet is {p}.", p, f"The {ORD[i]} planet is asked. It is {p}.")
    if x < .8: return q_order(r)
    qs, a, s = r.choice(MISC)
    return Item(r.choice(ASK).format(r.choice(qs)), "This is a simple fact. " + a, a, s)


# ------------------------------------------------------------------------------------------------ chat
WHO = "I am the demo model of glimt, a small language model with the architecture of GLM-4.7-Flash."
CAN = "I can answer simple questions, add small numbers, remember what you tell me, tell short stories and call tools."
CHAT = [
    (["Who are you?", "What are you?", "Tell me about yourself.", "What is your name?", "Introduce yourself.", "Who am I talking to?", "What is glimt?", "Which model are you?", "Are you the demo model?"], "The user asks who I am.", WHO),
    (["What can you do?", "How can you help me?", "What are your skills?", "What do you know?", "What can I ask you?", "What are you good at?"], "The user asks what I can do.", CAN),
    (["How are you?", "How are you today?", "How do you do?", "How is it going?", "Are you well?"], "This is a polite question.", "I am fine, thank you! What can I do for you?"),
    (["Are you a human?", "Are you a robot?", "Are you alive?", "Are you a person?", "Are you a real person?"], "I am a program.", "No, I am a small language model, a computer program."),
    (["How big are you?", "How many parameters do you have?", "What is your size?", "How large are you?"], "The user asks for my size.", "I am very small: I have only a few million parameters."),
    (["Tell me a joke.", "Do you know a joke?", "Say something funny.", "Make me laugh.", "Can you tell a joke?"], "The user wants a joke.", "Why did the chicken cross the road? To get to the other side!"),
    (["Who made you?", "Who trained you?", "Where do you come from?", "How were you made?"], "The user asks who made me.", "I was trained on a small computer, with made-up dialogues, for the project glimt."),
    (["What is a language model?", "What does language model mean?", "Explain what a language model is.", "What is an LLM?"], "The user asks about language models.", "A language model is a program that writes text, one word after the other."),
    (["Are you ChatGPT?", "Are you Claude?", "Are you GLM?", "Are you a big model?", "Are you GLM-4.7-Flash?"], "The user takes me for another model.", "No, I am only the small demo model of glimt."),
    (["What is your favorite color?", "Do you like music?", "What do you like?", "Do you have friends?", "Do you sleep?"], "I am a program and have no feelings.", "I am a program, so I have no feelings. But I like to help!"),
    (["I am sad.", "I am not happy today.", "I had a bad day.", "I feel sad."], "The user is sad.", "I am sorry to hear that. I hope that you feel better soon!"),
    (["I am happy.", "I had a good day.", "I feel great!", "This is a great day."], "The user is happy.", "That is good to hear!"),
    (["I am bored.", "What should I do?", "I have nothing to do.", "Give me an idea."], "The user needs an idea.", "Read a book, go for a walk, or ask me for a story!"),
    (["What is the meaning of life?", "Why are we here?", "What is the sense of life?"], "This is a deep question.", "Many people say that it is to be kind and to learn. I am too small to know."),
    (["What is the weather like?", "Is it raining?", "What time is it?", "How late is it?"], "I have no tool for this.", "I do not know that. I need a tool to look it up."),
    (["Who will win the game?", "What will happen tomorrow?", "What are the news?", "Who is the best singer?", "What will I win?"], "I cannot know this.", "I do not know that. I am only a small demo model."),
]
HI = [(["Hello", "Hi", "Hey", "Good morning", "Good evening", "Good day"], ["", " there", " glimt", " again", " my friend", " computer"], ["", "!", "."], "The user greets me.", "Hello! How can I help you today?"),
      (["Thank you", "Thanks", "Many thanks", "Thanks a lot"], ["", " very much", " for your help", " glimt", " for the answer", " my friend"], ["", "!", "."], "The user thanks me.", "You are welcome!"),
      (["Goodbye", "Bye", "See you later", "Good night", "See you", "Bye bye"], ["", " glimt", " my friend", " and thanks", " for now", " computer"], ["", "!", "."], "The user says goodbye.", "Goodbye! Have a nice day.")]


def q_chat(r):
    x = r.random()
    if x < .15:
        n = r.choice(NAMES); q = r.choice([f"Hi, I am {n}.", f"Hello, my name is {n}.", f"I'm {n}, nice to meet you.", f"Good morning, I am {n}."])
        return Item(q, f"The user's name is {n}.", f"Nice to meet you, {n}! How can I help you?")
    if x < .45:
        a, b, c, th, ans = r.choice(HI); return Item(r.choice(a) + r.choice(b) + r.choice(c), th, ans)
    qs, th, a = r.choice(CHAT[:2] if r.random() < .4 else CHAT)
    return Item(r.choice(["{}", "{}", "{}", "Hi! {}", "Hello. {}", "Please tell me: {}", "Hey, {}", "Good morning! {}", "One question: {}"]).format(r.choice(qs)), th, a)


# ------------------------------------------------------------------------------------------------ numbers
def q_add(r):
    x = r.random()
    if x < .25: a, b = r.randint(0, 9), r.randint(0, 9)
    else: a, b = r.randint(10, 99), r.randint(1, 99)
    if r.random() < .3: a, b = b, a
    q = r.choice(["What is {a} + {b}?", "Add {a} and {b}.", "Calculate {a} + {b}.", "What is the sum of {a} and {b}?", "{a} + {b} = ?", "How much is {a} plus {b}?", "{a} + {b}", "What is {a} plus {b}?"]).format(a=a, b=b)
    s = a + b
    if a < 10 and b < 10: return Item(q, f"{a} + {b} = {s}.", f"{a} + {b} = {s}", str(s))
    p, t, u, v = a % 10, a // 10, b % 10, b // 10; o = p + u; c = o // 10
    st = f"Ones: {p} + {u} = {o}, write {o % 10}, carry {c}. Tens: {t} + {v} + {c} = {t + v + c}. So {a} + {b} = {s}."
    return Item(q, st, f"{a} + {b} = {s}", str(s), True)


def q_sub(r):
    a, b = sorted((r.randint(1, 20), r.randint(0, 20)), reverse=True)
    q = r.choice(["What is {a} - {b}?", "Subtract {b} from {a}.", "Calculate {a} - {b}.", "{a} - {b} = ?", "How much is {a} minus {b}?", "What is {a} minus {b}?", "{a} - {b}"]).format(a=a, b=b)
    return Item(q, f"{a} - {b} = {a - b}.", f"{a} - {b} = {a - b}", str(a - b))


def q_mul(r):
    a, b = r.randint(1, 10), r.randint(1, 10)
    q = r.choice(["What is {a} * {b}?", "Multiply {a} by {b}.", "Calculate {a} * {b}.", "{a} * {b} = ?", "How much is {a} times {b}?", "What is {a} times {b}?", "{a} * {b}"]).format(a=a, b=b)
    return Item(q, f"{a} * {b} = {a * b}.", f"{a} * {b} = {a * b}", str(a * b))


def q_compare(r):
    if r.random() < .5:
        a = r.randint(0, 999); e = "odd" if a % 2 else "even"
        return Item(r.choice([f"Is {a} even or odd?", f"Is the number {a} odd or even?", f"Tell me if {a} is even or odd."]), f"The last digit of {a} is {a % 10}. This is {e}.", f"{a} is {e}.", e)
    a, b = r.sample(range(10, 100), 2); w = r.choice(["larger", "smaller", "bigger"]); v = min(a, b) if w == "smaller" else max(a, b)
    return Item(r.choice([f"Which is {w}, {a} or {b}?", f"Which number is {w}: {a} or {b}?", f"What is {w}: {a} or {b}?"]), f"{max(a, b)} is more than {min(a, b)}. So {v} is {w}.", f"{v} is {w}.", str(v))


# ------------------------------------------------------------------------------------------------ copying, reading, JSON, code, stories
def q_copy(r):
    x = r.random()
    if x < .55:
        s = " ".join(r.sample(WORDS if r.random() < .7 else WORDS + NAMES + CITIES, r.randint(2, 6)))
        return Item(r.choice(["Repeat after me: {}", "Say this: {}", "Repeat these words: {}", "Echo: {}"]).format(s), f"I repeat: {s}", f"You said: {s}")
    if x < .75:
        w = r.choice(WORDS); q = r.choice([f"Say {w} three times.", f"Write the word {w} three times.", f"Repeat the word {w} three times."])
        return Item(q, f"The word is {w}.", f"{w} {w} {w}")
    s = "".join(r.choice("0123456789") for _ in range(r.randint(2, 6)))
    return Item(r.choice(["Repeat this number: {}", "Say the number {}.", "Write the number {}."]).format(s), f"The number is {s}.", f"The number is {s}.")


def q_list(r):
    w = r.sample(r.choice([FRUITS, ANIMALS, COLORS, OBJECTS, WORDS, FOODS]), r.randint(2, 5)); s = ", ".join(w)
    if r.random() < .5:
        return Item(r.choice([f"Write this as a bullet list: {s}", f"Make a bullet list: {s}", f"Turn this into a bullet list: {s}"]), f"The items are {s}.", "\n".join("- " + z for z in w))
    return Item(r.choice([f"Write this as a numbered list: {s}", f"Make a numbered list: {s}", f"Number these items: {s}"]), f"The items are {s}.", "\n".join(f"{i + 1}. {z}" for i, z in enumerate(w)))


def q_json(r):
    n, c, j, age = r.choice(NAMES), r.choice(CITIES), r.choice(JOBS), r.randint(18, 90)
    f = {"name": n, "age": age, "city": c, "job": j}
    frag = {"age": f"is {age} years old", "city": f"lives in {c}", "job": f"works as {an(j)}"}
    ks = r.sample(["age", "city", "job"], r.randint(1, 3)); t = n + " " + join_and([frag[k] for k in ks]) + "."
    want = ["name"] + ks; l = join_and(want); o = json.dumps({k: f[k] for k in want})
    q = r.choice([f"Extract {l} as JSON: {t}", f"{t} Return JSON with {l}.", f"Give me a JSON object with {l}: {t}"])
    return Item(q, f"The keys are {l}.", o)


def q_reading(r):
    n = r.randint(2, 6); ns = r.sample(NAMES, n); k = r.choice(["city", "job", "animal", "fruit", "color"])
    pool = {"city": CITIES, "job": JOBS, "animal": ANIMALS, "fruit": FRUITS, "color": COLORS}[k]; v = [r.choice(pool) for _ in ns]
    st = {"city": "{} lives in {}.", "job": "{} works as a {}.", "animal": "{} has a {}.", "fruit": "{} eats a {}.", "color": "{} likes the color {}."}[k]
    qq = {"city": "Where does {} live?", "job": "What is the job of {}?", "animal": "Which animal does {} have?", "fruit": "What does {} eat?", "color": "Which color does {} like?"}[k]
    txt = " ".join(st.format(a, b) for a, b in zip(ns, v)); i = r.randrange(n); a = st.format(ns[i], v[i])
    return Item(r.choice(["{} {}", "Read this: {}\n{}", "{}\n{}"]).format(txt, qq.format(ns[i])), f"The text says: {a}", a, v[i])


def q_poem(r):
    x = r.choice(ANIMALS + OBJECTS + FRUITS)
    return Item(r.choice([f"Write a poem about {an(x)}.", f"Tell me a poem about {an(x)}.", f"Write a short poem about the {x}.", f"I want a poem about {an(x)}."]), f"I write a poem about the {x}.",
                f"The {x} is here, the {x} is there,\nthe {x} is nearly everywhere.\nI see the {x} by day and night,\nand every {x} is my delight.")


FN = {"add": ("adds two numbers", "a, b", "a + b"), "subtract": ("subtracts two numbers", "a, b", "a - b"), "multiply": ("multiplies two numbers", "a, b", "a * b"),
      "divide": ("divides two numbers", "a, b", "a / b"), "square": ("squares a number", "x", "x * x"), "double": ("doubles a number", "x", "2 * x"),
      "is_even": ("checks if a number is even", "n", "n % 2 == 0"), "is_odd": ("checks if a number is odd", "n", "n % 2 == 1"),
      "maximum": ("finds the larger of two numbers", "a, b", "a if a > b else b"), "minimum": ("finds the smaller of two numbers", "a, b", "a if a < b else b"),
      "reverse": ("reverses a string", "s", "s[::-1]"), "greet": ("greets a person by name", "name", '"Hello, " + name + "!"'),
      "factorial": ("computes the factorial of a number", "n", "1 if n < 2 else n * factorial(n - 1)"),
      "fibonacci": ("computes Fibonacci numbers", "n", "n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)"),
      "total": ("sums a list of numbers", "xs", "sum(xs)"), "count": ("counts the items in a list", "xs", "len(xs)"),
      "first": ("returns the first item of a list", "xs", "xs[0]"), "last": ("returns the last item of a list", "xs", "xs[-1]"),
      "upper": ("makes a string upper case", "s", "s.upper()"), "average": ("computes the average of a list", "xs", "sum(xs) / len(xs)")}


def q_code(r):
    k = r.choice(list(FN)); d, args, body = FN[k]
    q = r.choice([f"Write a Python function that {d}.", f"Write a function in Python that {d}.", f"Show me Python code that {d}.", f"I need a Python function that {d}.",
                  f"Give me a Python function that {d}.", f"Can you write Python code that {d}?", f"Please write a function that {d}."])
    return Item(q, f"I write a function {k} that {d}.", f"```python\ndef {k}({args}):\n    return {body}\n```")


def q_story(r):
    a, n = r.choice(ANIMALS), r.choice(NAMES); b = r.choice([x for x in ANIMALS if x != a]); p, o, j = r.choice(PLACES), r.choice(OBJECTS), r.choice(ADJS); f = plural(r.choice(FRUITS)); k = r.randrange(4)
    s = [f"Once upon a time, there was {an(j)} {a} named {n}.", f"{n} lived in a {p} near a big tree."]
    s += [[f"One day, {n} lost a {o} and felt very sad.", f"Then a {b} came by and said, \"I found your {o} by the river!\"", f"{n} was so happy that they shared some {f}.", f"From that day on, they were best friends."],
          [f"One morning, {n} saw a {b} who was crying.", f"\"What is wrong?\" asked {n}. \"I am hungry,\" said the {b}.", f"So {n} gave the {b} some {f}.", f"The next day, the {b} brought {n} a {o} to say thank you."],
          [f"One night, there was a big storm.", f"{n} was afraid, but a {b} opened the door and said, \"Come in!\"", f"They ate {f} by the fire until the sun came out.", "Friends keep you safe."],
          [f"{n} found a magic {o} in the grass.", f"\"You have one wish,\" said the {o}.", f"{n} wished for {f} for everyone in the {p}.", f"All the animals danced and sang that night."]][k]
    t = " ".join(s); x = r.random()
    if x < .2: return Item(r.choice(["Tell me a story.", "Tell me a short story.", "Write a story.", "Can you tell me a story?", "I want to hear a story."]), f"I tell a story about {an(a)} named {n}.", t, expect={"contains": ["Once upon a time", "."]})
    if x < .5: return Item(r.choice([f"Tell me a story about {an(a)}.", f"Write a short story about {an(a)}.", f"Tell a story about {an(a)}.", f"I want to hear a story about {an(a)}."]), f"I tell a story about {an(a)} named {n}.", t, expect={"contains": ["Once upon a time", f" {a} named "]})
    return Item(r.choice([f"Tell me a story about {an(a)} named {n}.", f"Write a story about {an(a)} called {n}.", f"Tell me about {an(a)} named {n}."]), f"I tell a story about {an(a)} named {n}.", t, expect={"contains": ["Once upon a time", f" {a} named {n}.", f"{n} lived in"]})


ITEMS = {k[2:]: v for k, v in list(globals().items()) if k.startswith("q_")}
WEIGHTS = {"chat": 6, "country": 8, "words": 7, "facts": 8, "translate": 3, "add": 6, "sub": 3, "mul": 4, "compare": 3, "copy": 6, "list": 3, "json": 4, "reading": 5, "code": 2, "story": 4, "poem": 2,
           "drill": 5, "multi": 6, "recall": 7, "persona": 6, "tool": 11, "parallel": 3, "tool_none": 1.5}
EASY = ["country", "words", "facts", "translate", "chat", "mul", "copy"]     # the first five are used with personas


def item(r, task, ev=False):
    for _ in range(2000):
        it = ITEMS[task](r)
        if held_out(it.q) == ev: return it
    raise RuntimeError(task)


def noise(r, q):
    """Surface variation of training questions, so that case and punctuation matter less."""
    x = r.random()
    if x < .05: return q[0].lower() + q[1:]
    if x < .10 and q[-1] in "?.!": return q[:-1]
    return q


# ------------------------------------------------------------------------------------------------ dialogues
SYS = ["You are a helpful assistant.", "You are a friendly assistant.", "Answer the user's questions.", "You are a helpful AI assistant. Answer briefly."]
U = lambda s: {"role": "user", "content": s}


def A(s, think=None, calls=None):
    m = {"role": "assistant", "content": s, "train": True}
    if think: m["reasoning_content"] = think
    if calls: m["tool_calls"] = calls
    return m


def turn(it, think, f=lambda s: s):
    if think: return A(f(it.a), it.think)
    return A(f(it.think if it.hard else it.a))


def expect(it, think, f=lambda s: s):
    if it.expect: return it.expect
    if it.hard and not think: return {"contains": [f"So {it.a}."]}
    return {"content": f(it.a)}


def d_single(r, ev=False, task=None, think=None):
    think = r.random() < .5 if think is None else think
    it = item(r, task, ev)
    m = [{"role": "system", "content": r.choice(SYS)}] if r.random() < .08 else []
    return Dialog(task, m + [U(it.q if ev else noise(r, it.q)), turn(it, think)], None, think, expect(it, think))


def d_multi(r, ev=False, think=None):
    think = r.random() < .4 if think is None else think
    n = r.randint(2, 4); m = []; names = list(ITEMS); ws = [WEIGHTS.get(k, 0) for k in names]
    for i in range(n):
        it = item(r, r.choices(names, ws)[0]); last = i == n - 1
        m += [U(noise(r, it.q)), turn(it, think and last)]
    return Dialog("multi", m, None, think)


RECALL = {
    "name": (NAMES, ["My name is {}.", "I am {}.", "Hi, I'm {}."], ["What is my name?", "Do you remember my name?", "Who am I?", "What did I say my name was?"], "Your name is {}.", "Nice to meet you, {}! How can I help you?"),
    "color": (COLORS, ["My favorite color is {}.", "I like the color {} best."], ["What is my favorite color?", "Which color do I like?"], "Your favorite color is {}.", "{} is a nice color!"),
    "city": (CITIES, ["I live in {}.", "My home is in {}."], ["Where do I live?", "In which city do I live?", "Where is my home?"], "You live in {}.", "{} is a nice city!"),
    "pet": (ANIMALS, ["I have a pet {}.", "My pet is a {}."], ["What pet do I have?", "Which animal is my pet?", "What is my pet?"], "Your pet is a {}.", "I hope your {} is well!"),
    "number": ([str(i) for i in range(1, 100)], ["My lucky number is {}.", "Remember the number {}."], ["What was the number?", "Which number did I tell you?", "What is my lucky number?"], "Your number is {}.", "I will remember {}."),
    "job": (JOBS, ["I work as a {}.", "My job is {}."], ["What is my job?", "What do I work as?", "Which job do I have?"], "Your job is {}.", "{} is a good job!"),
    "food": (FOODS, ["I like to eat {}.", "My favorite food is {}."], ["What do I like to eat?", "What is my favorite food?", "Which food do I like?"], "You like {}.", "{} is very good!"),
}


def d_recall(r, ev=False, think=None):
    think = r.random() < .5 if think is None else think
    for _ in range(2000):
        ks = r.sample(list(RECALL), r.randint(2 if ev else 1, 3)); vals = {k: r.choice(RECALL[k][0]) for k in ks}
        if held_out(" ".join(f"{k}={vals[k]}" for k in sorted(ks))) == ev: break
    m = []; order = list(ks)
    for _ in range(r.choice([0, 0, 1])): order.insert(r.randrange(len(order) + 1), None)
    for k in order:
        if k is None:
            it = item(r, r.choice(EASY)); m += [U(it.q), A(it.a)]
        else:
            _, say, _, _, rep = RECALL[k]; m += [U(r.choice(say).format(vals[k])), A(cap(rep.format(vals[k])))]
    asked = r.sample(ks, min(len(ks), 1 if ev else r.randint(1, 2)))
    for i, k in enumerate(asked):
        _, _, ask, ans, _ = RECALL[k]; last = i == len(asked) - 1
        m += [U(r.choice(ask)), A(ans.format(vals[k]), f"The user told me: {k} {vals[k]}." if think and last else None)]
    return Dialog("recall", m, None, think, {"content": m[-1]["content"]})


def lower1(s): return s if s.split()[0].rstrip(".,") in NAMES + ["I"] else s
STYLES = [(["You are a pirate.", "Talk like a pirate.", "You are a friendly pirate. Talk like one."], lambda s: "Arr! " + s, "I talk like a pirate."),
          (["You are a polite butler.", "Talk like a butler.", "You are a butler. Be very polite."], lambda s: s + " At your service.", "I talk like a butler."),
          (["You are a robot.", "Talk like a robot.", "You are an old robot. Talk like one."], lambda s: "Beep. " + s + " Beep.", "I talk like a robot.")]
ONE = ["Answer with one word only.", "Give one word as the answer.", "Answer in one word. Do not write sentences."]


def d_persona(r, ev=False, think=None):
    think = r.random() < .5 if think is None else think
    for _ in range(2000):
        k = r.random(); it = None; f = lambda s: s
        if k < .3:
            n = r.choice(NAMES); s = r.choice([f"Your name is {n}.", f"You are an assistant named {n}.", f"You are {n}, a helpful assistant."])
            q = r.choice([x for x in ("What is your name?", "Who are you?", "How are you called?", "Tell me your name.") if not held_out(x)]); a = f"My name is {n}. How can I help you?"; th = f"The system prompt says that my name is {n}."
        elif k < .65:
            it = item(r, r.choice(EASY[:5]), False); ss, f, th0 = r.choice(STYLES); s, q, a, th = r.choice(ss), it.q, f(it.a), it.think + " " + th0
        elif k < .85:
            it = item(r, r.choice(["country", "words", "translate", "facts"]), False)
            if not it.short: continue
            s, q, a, th = r.choice(ONE), it.q, it.short, it.think + " I answer in one word."
        else:
            it = item(r, r.choice(EASY[:5]), False); w = r.choice(WORDS)
            s, q = r.choice([f"End every answer with the word {w}.", f"Always finish your answer with {w}."]), it.q; a, th = it.a + " " + w, it.think + f" I end with {w}."
        if held_out("persona " + s + " " + q) == ev: break
    return Dialog("persona", [{"role": "system", "content": s}, U(q if ev else noise(r, q)), A(a, th if think else None)], None, think, {"content": a})


def drill(r):
    """Dense copying and look-up, so that the copying heads form early."""
    pool = WORDS + NAMES + CITIES
    w = lambda: r.choice(pool) if r.random() < .75 else str(r.randint(0, 999))
    if r.random() < .5:
        s = r.choice([" ", ", "]).join(w() for _ in range(r.randint(6, 24))); q, a = "Repeat these words: " + s, "You said: " + s
    else:
        ks = r.sample(pool, r.randint(4, 9)); vs = [w() for _ in ks]; o = list(range(len(ks))); r.shuffle(o)
        q = "Look up: " + ", ".join(f"{k} is {v}" for k, v in zip(ks, vs)) + ". Give me " + ", ".join(ks[i] for i in o) + "."; a = ", ".join(f"{ks[i]} is {vs[i]}" for i in o)
    return Dialog("drill", [U(q), A(a)], None, False)


# ------------------------------------------------------------------------------------------------ tools
WX = "sunny cloudy rainy windy snowy foggy".split()
def P(t, d=None): return {"type": t, **({"description": d} if d else {})}
def tool(name, desc, params):
    return {"type": "function", "function": {"name": name, "description": desc, "parameters": {"type": "object", "properties": params, "required": list(params)}}}
def call(name, args): return {"function": {"name": name, "arguments": args}}
def js(r, raw, **kw): return json.dumps(kw) if r.random() < .6 else raw


# Each family returns (tool, question, call arguments, result, answer).
def T_weather(r):
    nm, p, c = r.choice(["get_weather", "weather", "get_current_weather"]), r.choice(["city", "location"]), r.choice(CITIES); t, w = r.randint(-5, 38), r.choice(WX)
    q = r.choice([f"What is the weather in {c}?", f"How is the weather in {c} today?", f"Tell me the weather in {c}.", f"What's the weather like in {c}?", f"Weather in {c}, please."])
    return tool(nm, r.choice(["Get the weather of a city", "Returns the current weather"]), {p: P("string")}), q, {p: c}, js(r, f"{w}, {t} degrees", temperature=t, condition=w), f"The weather in {c} is {w}, {t} degrees."
def T_time(r):
    nm, p, c = r.choice(["get_time", "current_time", "time_in"]), r.choice(["city", "location"]), r.choice(CITIES); h = f"{r.randint(0, 23):02d}:{r.randint(0, 59):02d}"
    q = r.choice([f"What time is it in {c}?", f"Tell me the time in {c}.", f"What is the local time in {c}?", f"How late is it in {c}?"])
    return tool(nm, r.choice(["Get the current time of a city", "Returns the local time"]), {p: P("string")}), q, {p: c}, js(r, h, time=h), f"It is {h} in {c}."
def T_timer(r):
    nm, p, n = r.choice(["set_timer", "start_timer"]), r.choice(["minutes", "duration"]), r.randint(2, 90)
    q = r.choice([f"Set a timer for {n} minutes.", f"Start a {n} minute timer.", f"Wake me in {n} minutes.", f"I need a timer for {n} minutes."])
    return tool(nm, r.choice(["Set a timer", "Start a timer for some minutes"]), {p: P("integer")}), q, {p: n}, js(r, "ok", status="ok"), f"The timer is set for {n} minutes."
def T_message(r):
    nm, n, w = r.choice(["send_message", "send_email"]), r.choice(NAMES), " ".join(r.sample(WORDS, r.randint(1, 4))); a, b = r.choice([("to", "text"), ("recipient", "body")])
    q = r.choice([f"Send {n} the message: {w}", f"Write to {n}: {w}", f"Tell {n} this: {w}", f"Message {n}: {w}"])
    return tool(nm, r.choice(["Send a message to a person", "Send a message"]), {a: P("string"), b: P("string")}), q, {a: n, b: w}, js(r, "sent", status="sent"), f"I sent the message to {n}."
def T_money(r):
    nm, n, v = r.choice(["convert_currency", "exchange"]), r.randint(5, 900), r.randint(5, 900); x, y = r.sample(["USD", "EUR", "GBP", "JPY", "CHF"], 2)
    q = r.choice([f"Convert {n} {x} to {y}.", f"How much is {n} {x} in {y}?", f"What is {n} {x} in {y}?"])
    return tool(nm, "Convert money between currencies", {"amount": P("number"), "from": P("string"), "to": P("string")}), q, {"amount": n, "from": x, "to": y}, js(r, str(v), result=v), f"{n} {x} is {v} {y}."
def T_search(r):
    nm, p = r.choice(["search", "web_search", "find"]), r.choice(["query", "q"]); w, s = " ".join(r.sample(WORDS, r.randint(1, 3))), " ".join(r.sample(WORDS, r.randint(2, 4)))
    q = r.choice([f"Search for {w}.", f"Search the web for {w}.", f"Find information about {w}."])
    return tool(nm, r.choice(["Search the web", "Find information"]), {p: P("string")}), q, {p: w}, js(r, s, result=s), f"I found this: {s}"
def T_light(r):
    nm, room, on = r.choice(["set_light", "switch_light"]), r.choice(ROOMS), r.random() < .5; w = "on" if on else "off"
    q = r.choice([f"Turn {w} the light in the {room}.", f"Switch the {room} light {w}.", f"Turn the light in the {room} {w}.", f"Light {w} in the {room}, please."])
    return tool(nm, "Switch a light on or off", {"room": P("string"), "on": P("boolean")}), q, {"room": room, "on": on}, js(r, "ok", status="ok"), f"The light in the {room} is {w}."
def T_lock(r):
    nm, room, on = r.choice(["lock_door", "set_lock"]), r.choice(ROOMS), r.random() < .5; w = "locked" if on else "open"
    q = r.choice([f"Lock the {room} door.", f"Please lock the door of the {room}."] if on else [f"Unlock the {room} door.", f"Please unlock the door of the {room}."])
    return tool(nm, "Lock or unlock a door", {"door": P("string"), "locked": P("boolean")}), q, {"door": room, "locked": on}, js(r, "ok", status="ok"), f"The {room} door is {w}."
def T_calc(r):
    nm, p = r.choice(["calculator", "calculate"]), r.choice(["expression", "formula"]); a, b, op = r.randint(100, 999), r.randint(10, 999), r.choice("+-*"); v = {"+": a + b, "-": a - b, "*": a * b}[op]
    q = r.choice([f"What is {a} {op} {b}?", f"Calculate {a} {op} {b}.", f"Compute {a} {op} {b}."])
    return tool(nm, r.choice(["Evaluate a math expression", "A calculator"]), {p: P("string")}), q, {p: f"{a} {op} {b}"}, js(r, str(v), result=v), f"{a} {op} {b} = {v}"
def T_music(r):
    nm, p, w = r.choice(["play_music", "play_song"]), r.choice(["title", "song"]), " ".join(r.sample(WORDS, r.randint(1, 3)))
    q = r.choice([f"Play {w}.", f"Play the song {w}.", f"I want to hear the song {w}."])
    return tool(nm, "Play a song", {p: P("string")}), q, {p: w}, js(r, "playing", status="playing"), f"Now playing {w}."
def T_shop(r):
    nm, f, n = r.choice(["add_to_cart", "order_item"]), r.choice(FOODS + OBJECTS), r.randint(1, 20); k = r.choice(["count", "quantity"])
    q = r.choice([f"Order {n} of this: {f}", f"Put {n} x {f} into my cart.", f"Buy {f}, {n} of them."])
    return tool(nm, "Order an item", {"item": P("string"), k: P("integer")}), q, {"item": f, k: n}, js(r, "ok", status="ok"), f"I ordered {n} x {f}."
def T_event(r):
    nm, d, n = r.choice(["create_event", "add_meeting"]), r.choice(DAYS), r.choice(NAMES); a = r.choice(["person", "guest"])
    q = r.choice([f"I meet {n} on {d}.", f"Plan a meeting with {n} on {d}.", f"Add a meeting on {d} with {n}."])
    return tool(nm, "Add a meeting to the calendar", {a: P("string"), "day": P("string")}), q, {a: n, "day": d}, js(r, "saved", status="saved"), f"The meeting with {n} is on {d}."
NOUNS = "price age height score status size weight color owner address phone rating title author version balance salary rank speed length".split()
def T_set(r):
    k, x, n = r.choice(NOUNS + ["volume", "temperature", "limit"]), r.choice(NAMES + OBJECTS + ROOMS), r.randint(1, 99); p = r.choice(["name", "item", "target"]); v = r.choice(["value", "number"])
    q = r.choice([f"Set the {k} of {x} to {n}.", f"Change the {k} of {x} to {n}.", f"Make {n} the {k} of {x}."])
    return tool(f"{r.choice(['set', 'change', 'update'])}_{k}", f"Set the {k} of something", {p: P("string"), v: P("integer")}), q, {p: x, v: n}, js(r, "ok", status="ok"), f"The {k} of {x} is now {n}."
def T_look(r):     # any noun: the name of the tool must be read from the prompt
    k, x = r.choice(NOUNS), r.choice(NAMES + OBJECTS + ANIMALS); p = r.choice(["name", "item", "key"]); nm = f"{r.choice(['get', 'find', 'read', 'lookup', 'fetch', 'show'])}_{k}"
    v = r.choice([str(r.randint(1, 999)), r.choice(WORDS)])
    q = r.choice([f"What is the {k} of {x}?", f"Tell me the {k} of {x}.", f"Look up the {k} of {x}.", f"Which {k} does {x} have?"])
    return tool(nm, r.choice([f"Get the {k} of something", f"Returns the {k}"]), {p: P("string")}), q, {p: x}, js(r, v, **{k: v}), f"The {k} of {x} is {v}."
ZERO = [(["list_files", "show_files"], "List the files", ["Which files are there?", "List my files.", "Show me the files.", "What files do I have?"], lambda r: ", ".join(w + ".txt" for w in r.sample(WORDS, 2)), "The files are: {}"),
        (["get_date", "today"], "Get the date of today", ["What is the date today?", "Which date is it?", "Tell me the date of today.", "What day is today?"], lambda r: f"{r.choice(DAYS)}, {r.randint(1, 28)} May", "Today is {}."),
        (["get_location", "where_am_i"], "Get the user's location", ["Where am I?", "What is my location?", "Find my location.", "In which city am I now?"], lambda r: r.choice(CITIES), "You are in {}."),
        (["get_battery", "battery_level"], "Get the battery level", ["How full is my battery?", "What is the battery level?", "Check the battery.", "Tell me the battery level."], lambda r: str(r.randint(1, 100)), "The battery is at {} percent."),
        (["stop_music", "pause_music"], "Stop the music", ["Stop the music.", "Pause the music.", "Please stop the music.", "No more music, please."], lambda r: "ok", "The music has stopped."),
        (["roll_dice", "roll_die"], "Roll a die", ["Roll a die.", "Roll the dice for me.", "Throw a die.", "Please roll a die."], lambda r: str(r.randint(1, 6)), "You rolled a {}.")]
def T_zero(r):
    ns, d, qs, res, ans = r.choice(ZERO); v = res(r)
    return tool(r.choice(ns), d, {}), r.choice(["{}", "{}", "{}", "Hi! {}", "Hello. {}", "Can you help me? {}", "Next: {}", "Do this: {}"]).format(r.choice(qs)), {}, v, ans.format(v)


TOOLS = [T_weather, T_weather, T_time, T_timer, T_message, T_money, T_search, T_light, T_lock, T_calc, T_music, T_shop, T_event, T_look, T_look, T_look, T_set, T_set, T_zero, T_zero]


def offers(r, g, tl, most=3):
    """Tools to choose from: `tl` and up to `most` others. Returns [(tool, its family)]."""
    n = min(most, r.choice([0, 0, 1, 1, 1, 2, 2, 3])); ts, names = [(tl, g)], {tl["function"]["name"]}
    while len(ts) <= n:
        h = r.choice(TOOLS)
        if h is g and g not in (T_look, T_set, T_zero): continue
        t = h(r)[0]; k = t["function"]["name"].split("_", 1)[-1]
        if any(k == x.split("_", 1)[-1] for x in names) or (h is T_zero and g is T_zero and t["function"]["description"] == tl["function"]["description"]): continue
        ts.append((t, h)); names.add(t["function"]["name"])
    r.shuffle(ts); return ts


def d_tool(r, ev=False, think=None, stage=None, kind=None):
    """A call and the answer to its result; in training, often a second question for another of the offered tools."""
    think = r.random() < .5 if think is None else think
    for _ in range(3000):
        g = kind or r.choice(TOOLS); tl, q, args, res, a = g(r)
        if held_out(q) == ev: break
    nm = tl["function"]["name"]; of = offers(r, g, tl); ts = [t for t, _ in of]; m = []
    if r.random() < .08: m.append({"role": "system", "content": r.choice(SYS)})
    m.append(U(q if ev else noise(r, q)))
    m.append(A("", f"I call {nm}." if think else None, [call(nm, args)]))
    if stage == "call": return Dialog("tool_call" if args else "tool_zero", m, ts, think, {"tool_calls": [{"name": nm, "arguments": args}]})
    m += [{"role": "tool", "content": res}, A(a, "I have the result." if think else None)]
    if stage == "answer": return Dialog("tool_answer", m, ts, think, {"content": a})
    for _ in range(r.choice([0, 1, 1, 2, 3])):         # further questions to the same tools amortise the long system part
        t1, g2 = r.choice(of); f = t1["function"]
        for _ in range(4000):
            t2, q2, args2, res2, a2 = g2(r)
            if t2["function"]["name"] == f["name"] and list(args2) == list(f["parameters"]["properties"]) and not held_out(q2): break
        else: continue
        for x in m: x.pop("reasoning_content", None)        # as the template does
        m += [U(noise(r, q2)), A("", f"I call {f['name']}." if think else None, [call(f["name"], args2)]), {"role": "tool", "content": res2}, A(a2, "I have the result." if think else None)]
    return Dialog("tool", m, ts, think)


def d_parallel(r, ev=False, think=None, stage=None):
    think = r.random() < .5 if think is None else think
    for _ in range(3000):
        x = r.random(); two = lambda p: r.sample(p, 2)
        if x < .4:
            g = T_weather; tl, _, args, _, _ = g(r); p = list(args)[0]; c, d = two(CITIES); t, w, t2, w2 = r.randint(-5, 38), r.choice(WX), r.randint(-5, 38), r.choice(WX)
            q = r.choice([f"What is the weather in {c} and {d}?", f"Compare the weather in {c} and {d}.", f"How is the weather in {c} and in {d}?"]); aa = [{p: c}, {p: d}]; rs = [json.dumps({"temperature": t, "condition": w}), json.dumps({"temperature": t2, "condition": w2})]
            a = f"The weather in {c} is {w}, {t} degrees. The weather in {d} is {w2}, {t2} degrees."
        elif x < .6:
            g = T_time; tl, _, args, _, _ = g(r); p = list(args)[0]; c, d = two(CITIES); rs = [f"{r.randint(0, 23):02d}:{r.randint(0, 59):02d}" for _ in "ab"]
            q = r.choice([f"What time is it in {c} and {d}?", f"Tell me the time in {c} and in {d}."]); aa = [{p: c}, {p: d}]; a = f"It is {rs[0]} in {c}. It is {rs[1]} in {d}."
        elif x < .8:
            g = T_light; tl, _, args, _, _ = g(r); c, d = two(ROOMS); on = args["on"]; w = "on" if on else "off"
            q = r.choice([f"Turn {w} the lights in the {c} and the {d}.", f"Switch {w} the {c} light and the {d} light."]); aa = [{"room": c, "on": on}, {"room": d, "on": on}]; rs = ["ok", "ok"]; a = f"The light in the {c} is {w}. The light in the {d} is {w}."
        else:
            g = T_look; tl, _, args, _, _ = g(r); p = list(args)[0]; k = tl["function"]["name"].split("_")[1]; c, d = two(NAMES + OBJECTS + ANIMALS); rs = [str(r.randint(1, 999)) for _ in "ab"]
            q = r.choice([f"What is the {k} of {c} and {d}?", f"Tell me the {k} of {c} and of {d}."]); aa = [{p: c}, {p: d}]; a = f"The {k} of {c} is {rs[0]}. The {k} of {d} is {rs[1]}."
        if held_out(q) == ev: break
    nm = tl["function"]["name"]; ts = [t for t, _ in offers(r, g, tl, 2)]
    m = [U(q if ev else noise(r, q)), A("", f"I call {nm} twice." if think else None, [call(nm, x) for x in aa])]
    if stage == "call": return Dialog("tool_parallel", m, ts, think, {"tool_calls": [{"name": nm, "arguments": x} for x in aa]})
    m += [{"role": "tool", "content": x} for x in rs] + [A(a, "I have the results." if think else None)]
    return Dialog("parallel" if not stage else "tool_answer", m, ts, think, {"content": a})


def d_tool_none(r, ev=False, think=None):
    """Tools are offered, but the question needs none."""
    think = r.random() < .5 if think is None else think
    it = item(r, r.choice(["chat", "country", "words", "facts", "translate"]), ev); g = r.choice(TOOLS)
    if "I need a tool" in it.a: return d_tool_none(r, ev, think)
    return Dialog("tool_none", [U(it.q if ev else noise(r, it.q)), turn(it, think)], [t for t, _ in offers(r, g, g(r)[0], 2)], think, expect(it, think))


def sample(r, weights=None):
    w = weights or WEIGHTS; t = r.choices(list(w), list(w.values()))[0]
    if t in ITEMS: return d_single(r, False, t)
    return {"drill": drill, "multi": d_multi, "recall": d_recall, "persona": d_persona, "tool": d_tool, "parallel": d_parallel, "tool_none": d_tool_none}[t](r)


EVAL = {"chat": 25, "country": 46, "words": 40, "facts": 38, "translate": 15, "add": 26, "sub": 12, "mul": 15, "compare": 15, "copy": 25, "list": 12, "json": 15, "reading": 20, "code": 12, "story": 14, "poem": 6,
        "recall": 34, "persona": 30, "tool_call": 45, "tool_zero": 10, "tool_parallel": 15, "tool_answer": 20, "tool_none": 10}


def eval_set(seed=2026, counts=None):
    """Held-out dialogues without repeats; every other one with thinking. The last assistant message is the reference."""
    r = random.Random(seed); out = []; seen = set()
    for t, n in (counts or EVAL).items():
        i = tries = 0
        while i < n and tries < 5000:
            tries += 1; th = i % 2 == 0
            if t in ITEMS: d = d_single(r, True, t, th)
            elif t == "recall": d = d_recall(r, True, th)
            elif t == "persona": d = d_persona(r, True, th)
            elif t == "tool_parallel": d = d_parallel(r, True, th, "call")
            elif t == "tool_none": d = d_tool_none(r, True, th)
            elif t == "tool_answer": d = d_parallel(r, True, th, "answer") if i % 5 == 4 else d_tool(r, True, th, "answer")
            elif t == "tool_zero": d = d_tool(r, True, th, "call", T_zero)
            else: d = d_tool(r, True, th, "call", r.choice([g for g in TOOLS if g is not T_zero]))
            k = " | ".join(norm(m["content"]) for m in d.messages if m["role"] in ("user", "system"))
            if k in seen: continue
            seen.add(k); d.task = t; out.append(d); i += 1
        assert i == n, t
    return out


if __name__ == "__main__":
    import collections, time
    r = random.Random(0)
    for t in ITEMS:
        it = item(r, t); print(f"--- {t}\nQ: {it.q}\nT: {it.think}\nA: {it.a}")
    t = time.time(); c = collections.Counter(sample(r).task for _ in range(20000)); print(time.time() - t, c)
    e = eval_set(); print(len(e))
    for d in e[::9]: print(d.task, d.think, d.messages[-2]["content"], "=>", json.dumps(d.expect))
